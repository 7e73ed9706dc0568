//! Charts: plotters draws axes, grids and curves as SVG. Their colours are variables of the style sheet,
//! because the page has a light and a dark theme.
//!
//! plotters supports neither variables nor titles, and rounds coordinates to whole numbers. Therefore an ink
//! is drawn as a number that [`svg`] replaces with its variable, the drawing has twice its size, and marks
//! with titles are added by the page.

use crate::statistics::range;
use maud::{Markup, PreEscaped, html};
use plotters::{
    coord::{Shift, ranged1d::ValueFormatter, types::RangedCoordf64},
    prelude::*,
};
use std::io;

/// Units of the drawing for each pixel.
pub(super) const SCALE: u32 = 2;
const WIDTH: u32 = 1024;
/// Margins around the plot, in pixels.
const LEFT: u32 = 80;
const RIGHT: u32 = 32;
const TOP: u32 = 22;
pub(super) const BOTTOM: u32 = 26;

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type ChartResult<T> = Result<T, DrawingAreaErrorKind<io::Error>>;
pub(super) type PlotPlace = (i32, i32);

/// Inks: the variables of the style sheet that charts use as colours.
const INKS: [&str; 11] =
    ["grid", "soft", "p50", "p99", "p999", "max", "other", "due", "area", "corrected", "uncorrected"];

/// Returns the place of an ink as a colour. An unknown ink gets a colour that [`svg`] does not replace.
fn color(ink: &str) -> RGBColor {
    let number = INKS.iter().zip(0..).find(|(known, _)| **known == ink);
    RGBColor(0, 0, number.map_or(u8::MAX, |(_, number)| number))
}

/// Draws a chart of `height` pixels. `draw` returns the marks on top of the drawing.
#[allow(
    clippy::expect_used,
    reason = "plotters fails only if a file cannot be written, and this is a String"
)]
pub(super) fn svg(height: u32, name: &str, draw: impl FnOnce(&Area<'_>) -> ChartResult<Markup>) -> Markup {
    let mut drawn = String::new();
    let (width, height) = (WIDTH * SCALE, height * SCALE);
    let area = SVGBackend::with_string(&mut drawn, (width, height)).into_drawing_area();
    let marks = draw(&area).expect("writing to a String cannot fail");
    drop(area);
    // The outer tag has a fixed size and is replaced.
    let body = drawn.split_once('>').map_or("", |(_, body)| body.trim_end().trim_end_matches("</svg>"));
    let body = INKS.iter().zip(0..).fold(body.to_owned(), |body, (ink, number)| {
        body.replace(&format!("\"#0000{number:02X}\""), &format!("\"var(--{ink})\""))
    });
    html! {
        svg.plot viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(name) { (PreEscaped(body)) (marks) }
    }
}

/// Range, largest number of labels and format of an axis.
#[derive(Clone)]
pub(super) struct Axis<R> {
    range: R,
    labels: usize,
    format: fn(f64) -> String,
}

impl Axis<RangedCoordf64> {
    pub(super) fn linear(high: f64, labels: usize, format: fn(f64) -> String) -> Self {
        let range = 0.0..if high > 0.0 { high } else { 1.0 };
        Self { range: range.into(), labels, format }
    }
}

impl Axis<LogCoord<f64>> {
    /// Spans the decades of the positive values.
    pub(super) fn log(values: impl IntoIterator<Item = f64>, format: fn(f64) -> String) -> Self {
        let (low, high) = range(values.into_iter().filter(|value| *value > 0.0));
        let low = if low.is_finite() { low.log10().floor() as i32 } else { 0 };
        let high = if high.is_finite() { (high.log10().ceil() as i32).max(low + 1) } else { 1 };
        // The margin keeps rounding from hiding the labels at the ends.
        let range = 10_f64.powi(low) * 0.999..10_f64.powi(high) * 1.001;
        Self { range: range.log_scale().into(), labels: 8, format }
    }
}

pub(super) struct Chart<'a, 'b, Y: Ranged>(ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, Y>>);

impl<'a, 'b, Y: Ranged<ValueType = f64> + ValueFormatter<f64>> Chart<'a, 'b, Y> {
    /// Draws the axes into the whole area. `bottom` is the height of the labels of `x`.
    pub(super) fn new(
        area: &'a Area<'b>,
        x: Axis<RangedCoordf64>,
        y: Axis<Y>,
        bottom: u32,
    ) -> ChartResult<Self> {
        let mut context = ChartBuilder::on(area)
            .margin_top(TOP * SCALE)
            .margin_right(RIGHT * SCALE)
            .y_label_area_size(LEFT * SCALE)
            .x_label_area_size(bottom * SCALE)
            .build_cartesian_2d(x.range, y.range)?;
        context
            .configure_mesh()
            .x_labels(x.labels)
            .y_labels(y.labels)
            .x_max_light_lines(0)
            .x_label_formatter(&|value| (x.format)(*value))
            .y_label_formatter(&|value| (y.format)(*value))
            .axis_style(TRANSPARENT)
            .bold_line_style(color("grid").stroke_width(SCALE))
            .light_line_style(color("grid").mix(0.5))
            .label_style(("sans-serif", 15 * SCALE, &color("soft")))
            .set_all_tick_mark_size(4 * SCALE)
            .draw()?;
        Ok(Self(context))
    }

    /// Draws a line through the points. `None` is a gap.
    pub(super) fn curve(&self, ink: &str, width: u32, points: &[Option<(f64, f64)>]) -> ChartResult<()> {
        for piece in points.split(Option::is_none).filter(|piece| piece.len() > 1) {
            let piece: Vec<_> = piece.iter().copied().flatten().collect();
            self.0.plotting_area().draw(&PathElement::new(piece, color(ink).stroke_width(width)))?;
        }
        Ok(())
    }

    pub(super) fn fill(&self, ink: &str, corners: Vec<(f64, f64)>) -> ChartResult<()> {
        self.0.plotting_area().draw(&Polygon::new(corners, color(ink)))
    }

    pub(super) fn place(&self, x: f64, y: f64) -> PlotPlace {
        self.0.backend_coord(&(x, y))
    }

    /// Returns the upper left and the lower right corner of the plot.
    pub(super) fn corners(&self) -> (PlotPlace, PlotPlace) {
        let (x, y) = (self.0.x_range(), self.0.y_range());
        (self.place(x.start, y.end), self.place(x.end, y.start))
    }
}

/// Draws a dot with a title.
pub(super) fn dot(class: &str, (x, y): PlotPlace, title: &str) -> Markup {
    html! { circle class={ "dot " (class) } cx=(x) cy=(y) r="8" { title { (title) } } }
}

/// Draws a vertical line. An empty title is left out.
pub(super) fn vertical(class: &str, x: i32, (top, bottom): (i32, i32), title: &str) -> Markup {
    html! { line class=(class) x1=(x) x2=(x) y1=(top) y2=(bottom) { @if !title.is_empty() { title { (title) } } } }
}

pub(super) fn legend(entries: &[(&str, &str)]) -> Markup {
    html! { ul.legend { @for (class, name) in entries { li { i class={ "key " (class) } {} (name) } } } }
}
