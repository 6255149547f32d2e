//! The hour of a record (semantics 1.8, 9.1 and 9.2).

use super::*;

pub(super) fn cases() -> Vec<Case> {
    const DAY: i64 = 24 * 3600;
    let at = |start: Option<i64>, end: Option<i64>| {
        edit(flow(A1, A2), |row| {
            row.start = start;
            row.end = end;
        })
    };
    let hour = |hour| counted("1a", "1a").hour(hour);
    let end = START + 3600;
    vec![
        case("the hour of the end", at(Some(START - 30), Some(START + 29)), hour(HOUR)),
        case("the last second", at(None, Some(START + 3599)), hour(HOUR)),
        case("the first second of the next hour", at(Some(START + 3550), Some(START + 3600)), hour(HOUR + 1)),
        case("an earlier hour", at(Some(START - 7200), Some(START - 1)), hour(HOUR - 1)),
        case("no end: the start", at(Some(START - 1), None), hour(HOUR - 1)),
        case("no end column: the start", at(Some(START + 3600), Some(START)), hour(HOUR + 1))
            .without(&["end"]),
        case("no start column", at(Some(START), Some(START + 3600)), hour(HOUR + 1)).without(&["start"]),
        case("neither", at(None, None), hour(HOUR)),
        case("neither column", at(Some(START - 7200), Some(START - 7200)), hour(HOUR))
            .without(&["start", "end"]),
        // Nothing compares the two (semantics 1.17).
        case("end before start", at(Some(START + 3600), Some(START - 3600)), hour(HOUR - 1)),
        case("24 h before the partition is believed", at(None, Some(START - DAY)), hour(HOUR - 24)),
        case("a second more is not", at(None, Some(START - DAY - 1)), hour(HOUR)),
        case("24 h after its end is believed", at(None, Some(end + DAY)), hour(HOUR + 25)),
        case("a second more is not, either", at(None, Some(end + DAY + 1)), hour(HOUR)),
        case(
            "an unbelievable end does not fall back on the start",
            at(Some(START - 3600), Some(0)),
            hour(HOUR),
        ),
        case("an unbelievable start", at(Some(99_999_999_999), None), hour(HOUR)),
        case("milliseconds", at(None, Some((START + 3600) * 1_000 + 999)), hour(HOUR + 1)),
        case("a millisecond before", at(None, Some((START + 3600) * 1_000 - 1)), hour(HOUR)),
        case("microseconds", at(None, Some((START + 3600) * 1_000_000)), hour(HOUR + 1)),
        case("nanoseconds", at(None, Some((START + 3600) * 1_000_000_000)), hour(HOUR + 1)),
        case("a start in milliseconds", at(Some((START - 1) * 1_000), None), hour(HOUR - 1)),
        case(
            "each time for itself",
            at(Some(START - 3600), Some((START + 3600) * 1_000_000)),
            hour(HOUR + 1),
        ),
        case("milliseconds of another day", at(None, Some((START - 2 * DAY) * 1_000)), hour(HOUR)),
        case("a negative time", at(Some(-1), Some(-1)), hour(HOUR)),
        case("the largest number", at(None, Some(i64::MAX)), hour(HOUR)),
        case("a day's partition: the hour of the end", at(None, Some(MIDNIGHT + 15 * 3600)), hour(HOUR + 5))
            .daily(),
        case("a day's partition: nothing gives its first hour", at(None, None), hour(HOUR - 10)).daily(),
        case("a day's partition: 24 h before it", at(None, Some(MIDNIGHT - DAY)), hour(HOUR - 34)).daily(),
        case("a day's partition: more than that", at(None, Some(MIDNIGHT - DAY - 1)), hour(HOUR - 10))
            .daily(),
        case("a day's partition: 24 h after its end", at(None, Some(MIDNIGHT + 2 * DAY)), hour(HOUR + 38))
            .daily(),
        case("a day's partition: later", at(None, Some(MIDNIGHT + 2 * DAY + 1)), hour(HOUR - 10)).daily(),
    ]
}
