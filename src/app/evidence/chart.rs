//! Charts as SVG, for a page that is printed in black and white.
//!
//! Always true: each has a title and a description for those who do not see it, and a
//! table with the same numbers stands beside it; nothing is told by colour; every text in
//! it is escaped here.

use std::fmt::{self, Write as _};

/// How wide a chart is drawn, in units of the drawing; the page scales it.
const WIDTH: u64 = 680;

/// A number with a name.
pub(super) type Datum = (String, u64);

/// What a chart is called and what it shows.
pub(super) struct Words<'a> {
    /// Unique in the page.
    pub id: &'a str,
    pub title: &'a str,
    pub says: String,
}

/// A drawing, whose texts were escaped where they were written: pages take it as it is.
pub(super) struct Drawing(String);

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Drawing {}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
        escaped
    })
}

fn open(words: &Words<'_>, height: u64) -> String {
    let (id, title, says) = (words.id, escaped(words.title), escaped(&words.says));
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-says\" \
         xmlns=\"http://www.w3.org/2000/svg\"><title id=\"{id}-title\">{title}</title>\
         <desc id=\"{id}-says\">{says}</desc>\
         <defs><pattern id=\"{id}-lines\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" fill=\"#fff\"/>\
         <rect width=\"2\" height=\"6\" fill=\"#333\"/></pattern></defs>"
    )
}

/// One column for each datum, in their order.
pub(super) fn columns(words: &Words<'_>, data: &[Datum]) -> Drawing {
    const TOP: u64 = 22;
    const PLOT: u64 = 140;
    let most = data
        .iter()
        .map(|(_, value)| *value)
        .max()
        .unwrap_or(0)
        .max(1);
    let step = WIDTH / u64::try_from(data.len()).unwrap_or(WIDTH).clamp(1, WIDTH);
    let column = (step * 7 / 10).clamp(1, 60);
    // Names and numbers where there is room for them: 45 units each.
    let each = 45_u64.div_ceil(step.max(1)).max(1);
    let mut svg = open(words, TOP + PLOT + 26);
    for (at, (name, value)) in data.iter().enumerate() {
        let at = u64::try_from(at).unwrap_or(0);
        let height = value.saturating_mul(PLOT) / most;
        let (left, top) = (at * step + (step - column) / 2, TOP + PLOT - height);
        let middle = at * step + step / 2;
        let _ = write!(
            svg,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{column}\" height=\"{height}\" fill=\"#444\"/>"
        );
        if at.is_multiple_of(each) {
            let below = TOP + PLOT + 16;
            let name = escaped(name);
            let _ = write!(
                svg,
                "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{value}</text>\
                 <text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{name}</text>",
                top - 6
            );
        }
    }
    let base = TOP + PLOT;
    let _ = write!(
        svg,
        "<line x1=\"0\" y1=\"{base}\" x2=\"{WIDTH}\" y2=\"{base}\" stroke=\"#000\"/></svg>"
    );
    Drawing(svg)
}

/// One bar below the other, with their names before them.
pub(super) fn bars(words: &Words<'_>, data: &[Datum]) -> Drawing {
    const ROW: u64 = 30;
    const NUMBERS: u64 = 75;
    // A letter of a common face is about seven units wide.
    let longest = data.iter().map(|(name, _)| name.chars().count()).max();
    let names = u64::try_from(longest.unwrap_or(0))
        .unwrap_or(0)
        .saturating_mul(7)
        .clamp(100, 380)
        + 10;
    let most = data
        .iter()
        .map(|(_, value)| *value)
        .max()
        .unwrap_or(0)
        .max(1);
    let rows = u64::try_from(data.len()).unwrap_or(0);
    let mut svg = open(words, rows * ROW + 6);
    for (at, (name, value)) in data.iter().enumerate() {
        let top = u64::try_from(at).unwrap_or(0) * ROW + 4;
        let length = value.saturating_mul(WIDTH - names - NUMBERS) / most;
        let (text, name, end) = (top + 16, escaped(name), names + length + 8);
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{names}\" y=\"{top}\" width=\"{length}\" height=\"22\" fill=\"#444\"/>\
             <text x=\"{end}\" y=\"{text}\">{value}</text>",
            names - 10
        );
    }
    svg.push_str("</svg>");
    Drawing(svg)
}

/// How a whole is shared out: one bar in up to three parts, told apart by their pattern and
/// named below.
pub(super) fn shares(words: &Words<'_>, data: &[Datum; 3]) -> Drawing {
    let sum: u64 = data.iter().map(|(_, value)| *value).sum();
    let mut svg = open(words, 78);
    let fills = [
        "#444".to_owned(),
        format!("url(#{}-lines)", words.id),
        "#fff".to_owned(),
    ];
    let mut left = 1;
    let (mut legend, third) = (0, WIDTH / 3);
    for ((name, value), fill) in data.iter().zip(&fills) {
        let width = value.saturating_mul(WIDTH - 2) / sum.max(1);
        let (name, text) = (escaped(name), legend + 22);
        let _ = write!(
            svg,
            "<rect x=\"{left}\" y=\"4\" width=\"{width}\" height=\"34\" fill=\"{fill}\" stroke=\"#000\"/>\
             <rect x=\"{}\" y=\"52\" width=\"14\" height=\"14\" fill=\"{fill}\" stroke=\"#000\"/>\
             <text x=\"{text}\" y=\"64\">{name}: {value}</text>",
            legend + 1
        );
        left += width;
        legend += third;
    }
    svg.push_str("</svg>");
    Drawing(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words<'static> {
        Words {
            id: "c",
            title: "T & U",
            says: "<says>".to_owned(),
        }
    }

    #[test]
    fn a_chart_is_well_formed_says_what_it_shows_and_escapes_names() {
        let data = [
            ("a<b".to_owned(), 3),
            ("c\"d".to_owned(), 0),
            ("e".to_owned(), 9),
        ];
        let none: [Datum; 3] = Default::default();
        for svg in [
            columns(&words(), &data),
            bars(&words(), &data),
            shares(&words(), &data),
            columns(&words(), &[]),
            bars(&words(), &[]),
            shares(&words(), &none),
            columns(&words(), &vec![("x".to_owned(), u64::MAX); 1000]),
        ] {
            let read = roxmltree::Document::parse(&svg.0).unwrap();
            let text = |name: &str| {
                let found = read
                    .descendants()
                    .find(|node| node.has_tag_name(("http://www.w3.org/2000/svg", name)));
                found.and_then(|node| node.text()).map(str::to_owned)
            };
            assert_eq!(text("title").as_deref(), Some("T & U"));
            assert_eq!(text("desc").as_deref(), Some("<says>"));
        }
    }

    #[test]
    fn a_long_name_is_not_cut_off() {
        let name = "password + security key with PIN or biometric";
        let Drawing(svg) = bars(&words(), &[(name.to_owned(), 280)]);
        let read = roxmltree::Document::parse(&svg).unwrap();
        let text = read.descendants().find(|node| node.text() == Some(name));
        let end: u64 = text.unwrap().attribute("x").unwrap().parse().unwrap();
        assert!(end >= 7 * 45, "{end}");
    }

    #[test]
    fn the_highest_column_is_the_largest_number() {
        let data = [("a".to_owned(), 1), ("b".to_owned(), 4)];
        let Drawing(svg) = columns(&words(), &data);
        assert!(svg.contains("height=\"140\""), "{svg}");
        assert!(svg.contains("height=\"35\""), "{svg}");
    }
}
