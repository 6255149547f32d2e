//! What the words of a key are: accounts, regions, organizations, flow logs, deliveries.

/// Whether a text is an AWS account id: twelve digits.
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text has the form of an AWS region, such as `us-gov-west-1`.
pub fn is_region(text: &str) -> bool {
    let text = text.as_bytes();
    let Some(last) = text.iter().rposition(|byte| *byte == b'-') else { return false };
    let (words, number) = (&text[..last], &text[last + 1..]);
    let mut count = 0;
    for word in words.split(|byte| *byte == b'-') {
        let fits = if count == 0 { (2..=4).contains(&word.len()) } else { !word.is_empty() };
        if !fits || !word.iter().all(u8::is_ascii_lowercase) {
            return false;
        }
        count += 1;
    }
    (2..=4).contains(&count) && (1..=2).contains(&number.len()) && number.iter().all(u8::is_ascii_digit)
}

/// Whether a text has the form of an AWS organization id, such as `o-a1b2c3d4e5` (AWS Organizations API: `o-` and 10 to
/// 32 lower-case letters or digits; shorter ones are taken as well).
pub fn is_organization(text: &str) -> bool {
    text.strip_prefix("o-").is_some_and(|id| {
        (1..=32).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// The `fl-...` of a free name: hexadecimal digits after `fl-`, at a word's beginning.
pub(super) fn find_flow_log_id(name: &str) -> Option<&str> {
    name.split(['_', '.']).find(|word| is_flow_log_id(word))
}

/// The flow log of a key, where its name tells.
pub fn flow_log_of(key: &str) -> Option<&str> {
    find_flow_log_id(key.rsplit('/').next().unwrap_or(key))
}

/// The delivery that the name of a key tells: `20260310T0005Z` of AWS's names.
pub fn delivery_of(key: &str) -> Option<&str> {
    key.rsplit('/').next().unwrap_or(key).split('_').find(|part| is_delivery_time(part))
}

fn is_delivery_time(text: &str) -> bool {
    text.len() == 14 && text.as_bytes()[8] == b'T' && text.ends_with('Z')
}

/// Whether a text is a flow log id.
pub fn is_flow_log_id(text: &str) -> bool {
    text.strip_prefix("fl-")
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The flow log id of a file name as AWS writes it. Every listed key comes by here.
pub(super) fn aws_flow_log_id(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(".log.gz").or_else(|| name.strip_suffix(".log.parquet"))?;
    let (account, rest) = cut(stem)?;
    let (region, rest) = cut(rest.strip_prefix("vpcflowlogs_")?)?;
    let (id, rest) = cut(rest)?;
    let (time, hash) = cut(rest)?;
    let is_hash = !hash.is_empty() && !hash.starts_with('_');
    (is_account(account) && is_region(region) && is_flow_log_id(id) && is_delivery_time(time) && is_hash)
        .then_some(id)
}

/// The word before the first underscore, and what comes after. Words are short: a plain loop is the fastest.
fn cut(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == b'_')?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "123456789012_vpcflowlogs_us-east-1_fl-0a1b2c3d_20251209T1000Z_5d41402a.log.parquet";

    /// The same by the words of a text, slowly.
    fn by_words(name: &str) -> Option<&str> {
        fn region(text: &str) -> bool {
            let words: Vec<&str> = text.split('-').collect();
            let [area, middle @ .., last] = words.as_slice() else { return false };
            let letters =
                |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
            (3..=5).contains(&words.len())
                && (2..=4).contains(&area.len())
                && letters(area)
                && middle.iter().all(letters)
                && (1..=2).contains(&last.len())
                && last.bytes().all(|byte| byte.is_ascii_digit())
        }
        let stem = name.strip_suffix(".log.gz").or_else(|| name.strip_suffix(".log.parquet"))?;
        match *stem.split('_').collect::<Vec<_>>() {
            [account, "vpcflowlogs", place, id, time, hash, ..]
                if is_account(account)
                    && region(place)
                    && is_flow_log_id(id)
                    && (time.len() == 14 && time.as_bytes()[8] == b'T' && time.ends_with('Z'))
                    && !hash.is_empty() =>
            {
                Some(id)
            }
            _ => None,
        }
    }

    #[test]
    fn a_name_is_read_as_its_words_say() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut read = 0;
        for round in 0..100_000 {
            let mut name: Vec<char> = NAME.chars().collect();
            for _ in 0..round % 3 {
                let at = random.usize(0..name.len());
                let one = random.choice(['_', '-', '.', 'a', '1', 'z', 'Z', 'T', 'é']).unwrap_or('_');
                match random.u8(0..3) {
                    0 => name[at] = one,
                    1 => name.insert(at, one),
                    _ => drop(name.remove(at)),
                }
            }
            let name: String = name.into_iter().collect();
            assert_eq!(aws_flow_log_id(&name), by_words(&name), "{name}");
            read += usize::from(by_words(&name).is_some());
        }
        assert!((40_000..90_000).contains(&read), "{read} of them are names");
    }

    #[test]
    fn regions_accounts_and_organizations() {
        for region in
            ["us-east-1", "us-gov-west-1", "cn-north-1", "ap-southeast-10", "us-iso-east-1", "mx-central-1"]
        {
            assert!(is_region(region), "{region}");
        }
        for other in ["us-east", "useast1", "US-EAST-1", "us--1", "", "us-east-1a", "a-b-c"] {
            assert!(!is_region(other), "{other}");
        }
        for organization in ["o-a1b2c3d4e5", "o-exampleorgid", "o-1"] {
            assert!(is_organization(organization), "{organization}");
        }
        let long = format!("o-{}", "a".repeat(33));
        for other in ["o-", "o", "O-abc", "o-ABC", "o-a_b", "x-abc", "123456789012", &long] {
            assert!(!is_organization(other), "{other}");
        }
        assert!(is_account("123456789012") && !is_account("12345678901x") && !is_account("1234"));
    }
}
