//! AZ ids, and the region that each names.

/// Codes at the beginning of AZ ids, with their regions.
///
/// Source: AWS, "AZ IDs for your resources" and the AZ ids that each region's page of the EC2 user guide lists
/// (<https://docs.aws.amazon.com/ram/latest/userguide/working-with-az-ids.html>).
const CODES: [(&str, &str); 38] = [
    ("afs1", "af-south-1"),
    ("ape1", "ap-east-1"),
    ("ape2", "ap-east-2"),
    ("apne1", "ap-northeast-1"),
    ("apne2", "ap-northeast-2"),
    ("apne3", "ap-northeast-3"),
    ("aps1", "ap-south-1"),
    ("aps2", "ap-south-2"),
    ("apse1", "ap-southeast-1"),
    ("apse2", "ap-southeast-2"),
    ("apse3", "ap-southeast-3"),
    ("apse4", "ap-southeast-4"),
    ("apse5", "ap-southeast-5"),
    ("apse6", "ap-southeast-6"),
    ("apse7", "ap-southeast-7"),
    ("cac1", "ca-central-1"),
    ("caw1", "ca-west-1"),
    ("cnn1", "cn-north-1"),
    ("cnnw1", "cn-northwest-1"),
    ("euc1", "eu-central-1"),
    ("euc2", "eu-central-2"),
    ("eun1", "eu-north-1"),
    ("eus1", "eu-south-1"),
    ("eus2", "eu-south-2"),
    ("euw1", "eu-west-1"),
    ("euw2", "eu-west-2"),
    ("euw3", "eu-west-3"),
    ("ilc1", "il-central-1"),
    ("mec1", "me-central-1"),
    ("mes1", "me-south-1"),
    ("mxc1", "mx-central-1"),
    ("sae1", "sa-east-1"),
    ("use1", "us-east-1"),
    ("use2", "us-east-2"),
    ("usge1", "us-gov-east-1"),
    ("usgw1", "us-gov-west-1"),
    ("usw1", "us-west-1"),
    ("usw2", "us-west-2"),
];

/// The region that an AZ id names: `use1-az1` and the Local Zone `use1-lax1-az1` lie in us-east-1 (semantics 2.12).
pub fn region_of(az_id: &str) -> Option<&'static str> {
    let (code, _) = az_id.split_once('-')?;
    CODES.binary_search_by_key(&code, |(code, _)| code).ok().map(|at| CODES[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_az_id_names_its_region() {
        assert!(CODES.is_sorted(), "looked up by halves");
        for (az_id, region) in [
            ("use1-az1", Some("us-east-1")),
            ("apne1-az4", Some("ap-northeast-1")),
            ("use1-lax1-az1", Some("us-east-1")),
            ("usgw1-az2", Some("us-gov-west-1")),
            ("mars1-az1", None),
            ("use1", None),
            ("", None),
        ] {
            assert_eq!(region_of(az_id), region, "{az_id}");
        }
    }
}
