//! Parts of plots. A plot is as wide as the page: places across are per cent, and curves lie in a box of
//! [`WIDE`] units that is stretched without its strokes; so text and dots keep their size on every screen.

use super::axis::Tick;
use maud::{Markup, html};
use std::fmt::Write;

/// Units across the box that curves lie in.
pub(super) const WIDE: f64 = 1000.0;

/// Part of the height of a plot, pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    pub(super) top: f64,
    pub(super) height: f64,
}

impl Band {
    /// The pixel of a place between 0, at the bottom, and 1.
    pub(super) fn y(self, at: f64) -> f64 {
        self.top + (1.0 - at) * self.height
    }

    pub(super) fn bottom(self) -> f64 {
        self.top + self.height
    }
}

/// A number as short as it can be to a tenth.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// A place across as SVG has it: `0.25` is `25%`.
pub(super) fn across(at: f64) -> String {
    let text = format!("{:.2}", at * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Lines across at the ticks of an axis that goes up, with labels to their left.
pub(super) fn upward(ticks: &[Tick], band: Band) -> Markup {
    html! {
        @for tick in ticks {
            @let y = short(band.y(tick.at));
            line class=(if tick.label.is_some() { "grid" } else { "grid faint" }) x1="0" x2="100%" y1=(y) y2=(y) {}
            @if let Some(label) = &tick.label {
                text class=(tick.class()) x="-8" y=(y) dy=".32em" text-anchor="end" { (label) }
            }
        }
    }
}

/// Lines upward through the bands at the ticks of an axis that goes across, with labels below the last one.
pub(super) fn sideways(ticks: &[Tick], bands: &[Band]) -> Markup {
    let below = bands.last().map(|band| band.bottom() + 18.0).unwrap_or_default();
    html! {
        @for tick in ticks {
            @for band in bands {
                @let (x, class) = (across(tick.at), if tick.minor { "grid faint" } else { "grid" });
                line class=(class) x1=(x) x2=(x) y1=(short(band.top)) y2=(short(band.bottom())) {}
            }
            @if let Some(label) = &tick.label {
                @let anchor = if tick.at > 0.98 { "end" } else { "middle" };
                text class=(tick.class()) x=(across(tick.at)) y=(short(below)) text-anchor=(anchor) { (label) }
            }
        }
    }
}

/// What `content`, in units of [`WIDE`] and pixels, is stretched in.
pub(super) fn stretched(height: f64, content: &Markup) -> Markup {
    html! {
        @let box_of = format!("0 0 {WIDE} {}", short(height));
        svg width="100%" height=(short(height)) viewBox=(box_of) preserveAspectRatio="none" { (content) }
    }
}

/// A curve through points between 0 and 1; where there is none, it has a gap.
pub(super) fn curve(class: &str, points: impl IntoIterator<Item = Option<(f64, f64)>>, band: Band) -> Markup {
    let mut path = String::new();
    let mut drawn = false;
    for point in points {
        if let Some((x, y)) = point {
            // Writing to a String does not fail.
            let _ = write!(path, "{}{} {}", if drawn { 'L' } else { 'M' }, short(x * WIDE), short(band.y(y)));
        }
        drawn = point.is_some();
    }
    html! { path class={"curve " (class)} d=(path) {} }
}

/// The same as steps: from, to, and how high in between; with a gap where one does not begin where the last one ended.
pub(super) fn stairs(class: &str, points: impl IntoIterator<Item = (f64, f64, f64)>, band: Band) -> Markup {
    let mut path = String::new();
    let mut last = None;
    for (from, to, y) in points {
        let joined = last == Some(from);
        let (from, end, y) = (short(from * WIDE), short(to * WIDE), short(band.y(y)));
        let _ = if joined { write!(path, "V{y}H{end}") } else { write!(path, "M{from} {y}H{end}") };
        last = Some(to);
    }
    html! { path class={"curve " (class)} d=(path) {} }
}

/// A name beside what it is drawn as.
pub(super) fn legend(entries: &[(&str, &str)]) -> Markup {
    html! {
        ul class="legend" {
            @for (class, name) in entries { li { i class={"key " (class)} {} (name) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates() {
        let band = Band { top: 10.0, height: 200.0 };
        let points = [Some((0.0, 0.0)), Some((0.5, 0.25)), None, Some((0.75, 1.0)), Some((1.0, 0.123))];
        let drawn = curve("p50", points, band).into_string();
        assert_eq!(drawn, r#"<path class="curve p50" d="M0 210L500 160M750 10L1000 185.4"></path>"#);
        let drawn = stairs("due", [(0.0, 0.5, 0.5), (0.5, 0.75, 1.0), (0.8, 1.0, 0.0)], band).into_string();
        assert_eq!(drawn, r#"<path class="curve due" d="M0 110H500V10H750M800 210H1000"></path>"#);
        assert_eq!([across(0.25), across(1.0), across(0.123456)], ["25%", "100%", "12.35%"]);
        assert_eq!([short(-0.01), short(10.0), short(1.25)], ["0", "10", "1.2"]);
    }
}
