//! Axes: where a value lies between 0 and 1, and at which values a reader wants a line and a label.

/// A value that is marked on an axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// From 0 to 1.
    pub(super) at: f64,
    /// Nothing, where there is only a line.
    pub(super) label: Option<String>,
    /// Left out on a narrow screen.
    pub(super) minor: bool,
}

impl Tick {
    /// What its label is styled as.
    pub(super) fn class(&self) -> &'static str {
        if self.minor { "tick minor" } else { "tick" }
    }
}

/// A linear or logarithmic axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

impl Axis {
    /// From 0 to `high`, or to something where `high` is nothing.
    pub(super) fn linear(high: f64) -> Self {
        Self { low: 0.0, high: if high > 0.0 { high } else { 1.0 }, log: false }
    }

    /// From 0 to the next tick at or above `high`.
    pub(super) fn to_tick(high: f64) -> Self {
        let step = step(high, 4.0);
        Self::linear((high / step).ceil() * step)
    }

    /// Over all the positive values, ends at 1, 2 or 5 times a power of ten.
    pub(super) fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let positive = values.into_iter().filter(|value| *value > 0.0 && value.is_finite());
        let (low, high) =
            positive.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        if high == 0.0 {
            return Self { low: 1.0, high: 10.0, log: true };
        }
        let end = |at: i32| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(at));
        let below = |value: f64| {
            let at = value.log10().floor() as i32;
            end(at - 1).into_iter().chain(end(at)).rfind(|end| *end <= value).unwrap_or(value)
        };
        let above = |value: f64| {
            let at = value.log10().floor() as i32;
            end(at).into_iter().chain(end(at + 1)).find(|end| *end >= value).unwrap_or(value)
        };
        let (low, mut high) = (below(low), above(high));
        // Two values that are nearly the same are no cliff.
        while high < low * 4.0 {
            high = above(high * 1.5);
        }
        Self { low, high, log: true }
    }

    /// From 0 to 1 where it is on the axis; what is off it lies at its end.
    pub(super) fn of(&self, value: f64) -> f64 {
        let at = if self.log {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        at.clamp(0.0, 1.0)
    }

    /// The value at its end.
    pub(super) fn high(&self) -> f64 {
        self.high
    }

    /// Lines and labels, from low to high.
    pub(super) fn ticks(&self, label: impl Fn(f64) -> String) -> Vec<Tick> {
        if !self.log {
            let step = step(self.high, 5.0);
            let count = (self.high / step + 1e-9).floor() as u32;
            let tick = |n: u32| {
                let value = f64::from(n) * step;
                Tick { at: self.of(value), label: Some(label(value)), minor: n % 2 == 1 }
            };
            return (0..=count).map(tick).collect();
        }
        let decades = (self.high / self.low).log10();
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let marks =
            (first..=last).flat_map(|at| [1, 2, 5].map(|digit| (digit, f64::from(digit) * 10_f64.powi(at))));
        let on = marks.filter(|(_, value)| *value >= self.low * 0.999 && *value <= self.high * 1.001);
        let tick = |(digit, value)| Tick {
            at: self.of(value),
            label: (digit == 1 || decades < 2.8).then(|| label(value)),
            minor: digit != 1 && decades > 1.5,
        };
        on.map(tick).collect()
    }
}

/// 1, 2 or 5 times a power of ten, so that about `count` of them make `high`.
fn step(high: f64, count: f64) -> f64 {
    let rough = if high > 0.0 { high / count } else { 1.0 };
    let power = 10_f64.powf(rough.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| rough <= digit * power * 1.000_001).unwrap_or(10.0);
    digit * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis) -> Vec<String> {
        axis.ticks(|value| value.to_string()).into_iter().filter_map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(labels(Axis::linear(20.0)), ["0", "5", "10", "15", "20"]);
        assert_eq!(labels(Axis::linear(29.9)), ["0", "10", "20"]);
        assert_eq!(labels(Axis::to_tick(43_211.0)), ["0", "20000", "40000", "60000"]);
        assert_eq!(Axis::linear(20.0).of(5.0), 0.25);
        assert_eq!(Axis::linear(0.0).of(0.0), 0.0);
    }

    #[test]
    fn log_axes_end_at_a_tick() {
        let axis = Axis::log([30.0, 0.0, 90_000.0]);
        assert_eq!((axis.low, axis.high), (20.0, 100_000.0));
        assert_eq!(labels(axis), ["100", "1000", "10000", "100000"]);
        assert_eq!(axis.of(20.0), 0.0);
        assert_eq!(axis.of(100_000.0), 1.0);
        assert!((Axis::log([1.0, 100.0]).of(10.0) - 0.5).abs() < 1e-12);
        assert_eq!(labels(Axis::log([11.0, 12.0])), ["10", "20", "50"]);
        assert_eq!(Axis::log([]).of(5.0), 5_f64.log10());
    }
}
