use super::*;
use crate::{classify::Rules, pricing::Prices};

#[test]
fn an_az_id_that_is_no_name_is_no_label() {
    let classifier = Classifier::new(Rules::default(), "us-east-1", Prices::default());
    let mut zones = AzZones::new(&classifier);
    assert!(zones.zone(&Arc::from("use1-az1")).is_some());
    for odd in ["internet", "other", &"x".repeat(limits::NAME_CHARS + 1)] {
        assert_eq!(zones.zone(&Arc::from(odd)), None, "{odd}");
    }
}

#[test]
fn a_traffic_path_is_what_the_charges_make_of_it() {
    for (path, class) in
        [(0, 0), (IntColumn::NULL, 0), (IntColumn::HIGHEST_MARK, 0), (7, 1), (2, 2), (8, 2), (1, 3), (-1, 3)]
    {
        assert_eq!(path_class(path), class, "{path}");
    }
}
