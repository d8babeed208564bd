//! The picture: two figures, plain and TLS, a bar each, readable on light and on dark.

use std::fmt::Write as _;

use crate::harness::{
    asked::Asked,
    peer::Way,
    report::{Measured, PROXIES, figure::Figure, spread::Spread},
    rounds::Load,
    stage::Transport,
};

/// An SVG; none where a figure for it was not measured.
pub(crate) fn picture(measured: &Measured) -> Option<String> {
    let mut body = String::new();
    for (row, shown) in SHOWN.iter().enumerate() {
        let mut panels = Vec::new();
        for upstream in Transport::ALL {
            let rounds = measured.rounds(Load { upstream, ..shown.load });
            let bars: Vec<_> = PROXIES
                .into_iter()
                .filter_map(|way| Some((way, shown.figure.spread(rounds, way)?)))
                .collect();
            if bars.is_empty() {
                return None;
            }
            panels.push((upstream, bars));
        }
        // Plain and TLS have one scale, so that bars can be compared across.
        let highest =
            panels.iter().flat_map(|(_, bars)| bars).map(|(_, bar)| bar.highest).reduce(f64::max)?;
        let y = TOP + f64::from(u32::try_from(row).ok()?) * PANEL_HEIGHT;
        for ((upstream, bars), x) in panels.into_iter().zip([LEFT, LEFT + PANEL_WIDTH]) {
            panel(
                &mut body,
                (x, y),
                &format!("{}, {} upstream", shown.title, upstream.name()),
                &bars,
                highest,
            );
        }
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-labelledby=\"title\">\n<title id=\"title\">{TITLE}</title>\n{STYLE}{body}</svg>\n"
    ))
}

struct Shown {
    title: &'static str,
    figure: Figure,
    load: Load,
}

const SHOWN: [Shown; 2] = [
    Shown {
        title: "CPU per request, µs (64 connections)",
        figure: Figure::Cpu,
        load: Load { upstream: Transport::Plain, asked: Asked::Small, connections: 64, rate: None },
    },
    Shown {
        title: "added median latency, µs (1 connection)",
        figure: Figure::AddedP50,
        load: Load { upstream: Transport::Plain, asked: Asked::Small, connections: 1, rate: None },
    },
];

fn panel(out: &mut String, (x, y): (f64, f64), title: &str, bars: &[(Way, Spread)], highest: f64) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "<text class=\"title\" x=\"{x}\" y=\"{y}\">{title}</text>");
    for ((way, spread), line) in bars.iter().zip(1_u8..) {
        let middle = y + 8.0 + f64::from(line) * BAR_STEP - BAR_STEP / 2.0;
        let (start, scale) = (x + LABEL_WIDTH, BAR_LENGTH / highest);
        let class = match way {
            Way::Ours | Way::OursBySocket => "ours",
            Way::Direct | Way::Nginx | Way::Haproxy => "other",
        };
        let Spread { median, lowest, highest, .. } = spread;
        let _ = writeln!(
            out,
            "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
             <rect class=\"{class}\" x=\"{start:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\"/>\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{median:.1}</text>",
            start - 6.0,
            middle + 4.0,
            label(*way),
            middle - BAR / 2.0,
            median * scale,
            start + lowest * scale,
            start + highest * scale,
            start + highest * scale + 6.0,
            middle + 4.0,
        );
    }
}

fn label(way: Way) -> &'static str {
    match way {
        Way::OursBySocket => "… by Unix socket",
        Way::Direct | Way::Ours | Way::Nginx | Way::Haproxy => way.name(),
    }
}

const TITLE: &str = "tradovate-proxy beside nginx and HAProxy: processor time per request, and added latency; \
                     bars are medians, lines reach from the lowest to the highest round";

const STYLE: &str = "<style>
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .label { text-anchor: end }
  .ours { fill: #0b6e4f }
  .other { fill: #9aa4ae }
  line { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .ours { fill: #3fb88a }
    .other { fill: #6b7681 }
    line { stroke: #e6edf3 }
  }
</style>
";

const WIDTH: f64 = 840.0;
const HEIGHT: f64 = 296.0;
const LEFT: f64 = 12.0;
const TOP: f64 = 24.0;
const PANEL_WIDTH: f64 = 416.0;
const PANEL_HEIGHT: f64 = 144.0;
const LABEL_WIDTH: f64 = 116.0;
const BAR_LENGTH: f64 = 236.0;
const BAR: f64 = 16.0;
const BAR_STEP: f64 = 25.0;
