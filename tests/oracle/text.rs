//! Rows as a gzip text file, in any of the shapes that such files are found in.
//!
//! Text has no types, codecs and row groups, and a null is a `-` or nothing: whatever a [`Row`]
//! says can be written.

use std::io::Write as _;

use fastrand::Rng;
use flate2::{Compression, write::GzEncoder};

use super::{
    Columns, NUMBERS, Row, TEXTS,
    write::{Dice, name},
};

/// The file of these rows. `physical` 0 is plain: one member, hyphens, AWS's order; every other
/// value mixes names, order, nulls, line ends, members and repeated headers (semantics 1.5) at
/// random.
pub(crate) fn text_gz(rows: &[Row], columns: &Columns, physical: u64) -> Vec<u8> {
    let mut dice = Dice((physical != 0).then(|| Rng::with_seed(physical)));
    let newline = if dice.roll(4) == 1 { "\r\n" } else { "\n" };
    let parts = match dice.roll(3) {
        1 => 1 + dice.roll(4),
        _ => 1,
    };
    let mut layout = Layout::new(columns, &mut dice);
    let mut texts = Vec::new();
    for part in rows.chunks(rows.len().div_ceil(parts).max(1)) {
        let mut text = layout.header.clone() + newline;
        for row in part {
            text += &layout.line(row, &mut dice);
            text += newline;
        }
        // A record whose bytes cannot be read does not show where it ends.
        let shows_its_end = part.last().is_some_and(|row| !row.unreadable.contains("bytes"));
        if dice.roll(4) == 1 && shows_its_end {
            text.truncate(text.len() - newline.len());
        }
        texts.push(text);
        if dice.roll(2) == 1 {
            layout = Layout::new(columns, &mut dice);
        }
    }
    if texts.is_empty() {
        texts.push(layout.header);
    }
    let mut file: Vec<u8> = texts.iter().flat_map(|text| members(text.as_bytes(), &mut dice)).collect();
    if dice.roll(4) == 1 {
        file.extend(vec![0; 1 + dice.roll(600)]);
    }
    file
}

/// What is not a whole number of 64 bits (semantics 1.10).
pub(super) const UNREADABLE: [&str; 5] = ["x", "1.5", "9223372036854775808", "1e400", "12:30"];

/// The columns of a header, with those among them that decide nothing.
struct Layout {
    columns: Vec<&'static str>,
    header: String,
}

impl Layout {
    fn new(columns: &Columns, dice: &mut Dice) -> Self {
        let mut columns: Vec<&'static str> =
            TEXTS.into_iter().chain(NUMBERS).filter(|name| columns.contains(name)).collect();
        if dice.roll(2) == 1 {
            columns.extend(["version", "subnet_id", "from_a_later_version"]);
        }
        dice.shuffle(&mut columns);
        // A name that nobody knows does not show where a header begins when the line before it has
        // no end.
        if columns[0] == "from_a_later_version" {
            columns.rotate_left(1);
        }
        let hyphens = dice.roll(3) != 1;
        let names: Vec<String> = columns.iter().map(|column| name(column, hyphens, dice)).collect();
        Self { columns, header: names.join(" ") }
    }

    fn line(&self, row: &Row, dice: &mut Dice) -> String {
        let null = |dice: &mut Dice| if dice.roll(4) == 1 { "" } else { "-" }.to_owned();
        let mut cells = Vec::new();
        for column in &self.columns {
            cells.push(if TEXTS.contains(column) {
                row.text(column).map_or_else(|| null(dice), str::to_owned)
            } else if row.unreadable.contains(column) {
                UNREADABLE[dice.roll(UNREADABLE.len())].to_owned()
            } else if NUMBERS.contains(column) {
                row.number(column).map_or_else(|| null(dice), |number| number.to_string())
            } else {
                ["2", "-", "123456789012", "x"][dice.roll(4)].to_owned()
            });
        }
        cells.join(" ")
    }
}

/// One member, or several that end anywhere.
fn members(text: &[u8], dice: &mut Dice) -> Vec<u8> {
    let size = match dice.roll(4) {
        1 => 1 + dice.roll(text.len()),
        2 => text.len().div_ceil(2),
        _ => text.len(),
    };
    let level = Compression::new(6 - dice.roll(7) as u32);
    let member = |text: &[u8]| {
        let mut file = GzEncoder::new(Vec::new(), level);
        file.write_all(text).expect("memory takes everything");
        file.finish().expect("memory takes everything")
    };
    // A thousand members of a byte each show nothing that a hundred do not.
    text.chunks(size.max(text.len() / 100)).flat_map(member).collect()
}
