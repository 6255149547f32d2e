//! Basic authentication: names and passwords against hashes of bcrypt.
//!
//! A hash is slow to compare on purpose, so answers are remembered, the comparison runs on the blocking pool, and only
//! a few run at a time. Invariant: somebody who guesses learns no user's name from the time of the answer, and cannot
//! push out what is known of those who have the right password.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    str::FromStr as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bcrypt::HashParts;
use hyper::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest as _, Sha256};
use tokio::{sync::Semaphore, time::timeout};

use crate::limits;

/// A password as `htpasswd -nB` hashes it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    cost: u32,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

impl PasswordHash {
    /// Of its text, such as `$2y$10$` and 53 more characters.
    ///
    /// # Errors
    /// Says what would be right, without the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let cost = HashParts::from_str(text).map(|parts| parts.get_cost()).map_err(|_| {
            "must be a bcrypt hash, such as `htpasswd -nB NAME` prints after the colon: $2y$, a cost, $ and 53 characters"
                .to_owned()
        })?;
        let range = limits::BCRYPT_COST;
        if !range.contains(&cost) {
            return Err(format!(
                "has cost {cost}; {} to {} are accepted: above, one wrong password keeps a processor busy for many seconds",
                range.start(),
                range.end()
            ));
        }
        Ok(Self { text: text.to_owned(), cost })
    }

    /// One that no password has.
    fn of_nobody(cost: u32) -> Self {
        Self { text: format!("$2y${cost:02}${}", ".".repeat(53)), cost }
    }
}

/// What is to be done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Verdict {
    /// Answer it.
    Admitted,
    /// It has no password, or a wrong one.
    Refused,
    /// Too many passwords wait for being compared.
    Busy,
}

/// Compares a password with the text of a hash. Slow.
type Compare = dyn Fn(&[u8], &str) -> bool + Send + Sync;

/// The users, and what is known of those who have asked.
pub(in super::super) struct Auth {
    users: BTreeMap<String, PasswordHash>,
    /// As slow as the slowest of the users'.
    nobody: PasswordHash,
    compare: Arc<Compare>,
    comparing: Arc<Semaphore>,
    patience: Duration,
    known: Mutex<Known>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("users", &self.users).finish_non_exhaustive()
    }
}

/// Hashes of user, password hash and password. The right ones are apart, so that wrong ones cannot push them out.
#[derive(Debug, Default)]
struct Known {
    right: HashSet<[u8; 32]>,
    wrong: HashSet<[u8; 32]>,
}

impl Auth {
    pub(super) fn new(users: BTreeMap<String, PasswordHash>) -> Self {
        let slowest = users.values().map(|hash| hash.cost).max();
        Self {
            users,
            nobody: PasswordHash::of_nobody(slowest.unwrap_or(*limits::BCRYPT_COST.start())),
            compare: Arc::new(|password, hash| bcrypt::verify(password, hash).unwrap_or(false)),
            comparing: Arc::new(Semaphore::new(limits::PASSWORDS_COMPARED)),
            patience: limits::PASSWORD_PATIENCE,
            known: Mutex::default(),
        }
    }

    /// Whether a request with these headers may be answered.
    pub(in super::super) async fn judge(&self, headers: &HeaderMap) -> Verdict {
        if self.users.is_empty() {
            return Verdict::Admitted;
        }
        let Some((user, password)) = credentials(headers) else { return Verdict::Refused };
        let (hash, exists) = match self.users.get(&user) {
            Some(hash) => (hash, true),
            None => (&self.nobody, false),
        };
        let key = key(&user, hash, &password);
        if let Some(verdict) = self.remembered(&key) {
            return verdict;
        }
        let place = timeout(self.patience, self.comparing.clone().acquire_owned()).await;
        let Ok(Ok(place)) = place else { return Verdict::Busy };
        // Another request may have brought the same password meanwhile.
        if let Some(verdict) = self.remembered(&key) {
            return verdict;
        }
        let (hash, slowest, compare) = (hash.clone(), self.nobody.cost, self.compare.clone());
        let same = tokio::task::spawn_blocking(move || {
            // Held to the end of the work, also when nobody waits for it any more.
            let _place = place;
            let same = compare(&password, &hash.text);
            if !same {
                // Each step of the cost doubles the work: together with these it is that of the slowest hash.
                for cost in hash.cost..slowest {
                    compare(&password, &PasswordHash::of_nobody(cost).text);
                }
            }
            same
        });
        let right = same.await.unwrap_or(false) && exists;
        self.remember(key, right);
        if right { Verdict::Admitted } else { Verdict::Refused }
    }

    fn remembered(&self, key: &[u8; 32]) -> Option<Verdict> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.right.contains(key) {
            return Some(Verdict::Admitted);
        }
        known.wrong.contains(key).then_some(Verdict::Refused)
    }

    fn remember(&self, key: [u8; 32], right: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (set, bound) = if right {
            // Bytes after the 72nd are no part of a password, so a user can have any number of right ones.
            (&mut known.right, self.users.len().saturating_mul(2).max(limits::PASSWORDS_KNOWN))
        } else {
            (&mut known.wrong, limits::PASSWORDS_KNOWN)
        };
        if set.len() >= bound {
            set.clear();
        }
        set.insert(key);
    }
}

fn key(user: &str, hash: &PasswordHash, password: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [user.as_bytes(), hash.text.as_bytes(), password] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// Name and password of an `Authorization: Basic` header (RFC 7617).
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((user, decoded[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn hash(password: &str) -> PasswordHash {
        let parts = bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap();
        PasswordHash::parse(&parts.format_for_version(bcrypt::Version::TwoY)).unwrap()
    }

    fn auth() -> Auth {
        Auth::new(BTreeMap::from([("ann".to_owned(), hash("s3cret:ä")), ("bob".to_owned(), hash(""))]))
    }

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
    }

    fn basic(text: &str) -> HeaderMap {
        headers(&format!("Basic {}", STANDARD.encode(text)))
    }

    #[tokio::test]
    async fn the_right_password_of_the_right_user_and_nothing_else() {
        let auth = auth();
        for text in ["ann:s3cret:ä", "bob:"] {
            assert_eq!(auth.judge(&basic(text)).await, Verdict::Admitted, "{text}");
            assert_eq!(auth.judge(&basic(text)).await, Verdict::Admitted, "{text}, remembered");
        }
        for text in ["ann:s3cret", "ann:", "bob:s3cret:ä", "eve:s3cret:ä", "ann", ":", "", "Ann:s3cret:ä"]
        {
            assert_eq!(auth.judge(&basic(text)).await, Verdict::Refused, "{text}");
            assert_eq!(auth.judge(&basic(text)).await, Verdict::Refused, "{text}, remembered");
        }
        for value in ["", "Basic", "Basic !", "Bearer YTpi", "Basic YW5u"] {
            assert_eq!(auth.judge(&headers(value)).await, Verdict::Refused, "{value}");
        }
        assert_eq!(auth.judge(&HeaderMap::new()).await, Verdict::Refused);
        assert_eq!(Auth::new(BTreeMap::new()).judge(&HeaderMap::new()).await, Verdict::Admitted);
    }

    #[tokio::test]
    async fn wrong_passwords_are_bounded_and_do_not_push_out_right_ones() {
        let auth = auth();
        auth.judge(&basic("ann:s3cret:ä")).await;
        for number in 0..=limits::PASSWORDS_KNOWN {
            auth.judge(&basic(&format!("ann:{number}"))).await;
        }
        let known = auth.known.lock().unwrap();
        assert_eq!(known.right.len(), 1);
        assert!((1..=limits::PASSWORDS_KNOWN).contains(&known.wrong.len()));
    }

    #[tokio::test]
    async fn a_wrong_password_is_as_much_work_for_every_user_known_or_not() {
        let costs = [("ann", 4), ("bob", 4), ("slow", 7)];
        let users = costs.map(|(user, cost)| (user.to_owned(), PasswordHash::of_nobody(cost)));
        let mut auth = Auth::new(BTreeMap::from(users));
        let nobody = &auth.nobody.text;
        assert!(matches!(bcrypt::verify("x", nobody), Ok(false)), "it is compared, not refused for its form");
        let work = Arc::new(Mutex::new(0));
        let worked = work.clone();
        auth.compare = Arc::new(move |_, hash| {
            *worked.lock().unwrap() += 1_u64 << HashParts::from_str(hash).unwrap().get_cost();
            false
        });
        for user in ["ann", "bob", "slow", "eve", ""] {
            assert_eq!(auth.judge(&basic(&format!("{user}:x"))).await, Verdict::Refused);
            assert_eq!(std::mem::take(&mut *work.lock().unwrap()), 1 << 7, "{user}");
        }
    }

    #[tokio::test]
    async fn so_many_passwords_are_compared_at_a_time_and_the_others_are_told_to_come_back() {
        let mut auth = auth();
        let (begin, mut begun) = tokio::sync::mpsc::unbounded_channel();
        // Nothing that is compared ends before this is dropped.
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let ended = Mutex::new(ended);
        auth.compare = Arc::new(move |_, _| {
            begin.send(()).unwrap();
            ended.lock().unwrap().recv().is_ok()
        });
        auth.patience = Duration::from_millis(50);
        let auth = Arc::new(auth);
        let judge = |number: usize| {
            let (auth, headers) = (auth.clone(), basic(&format!("ann:{number}")));
            tokio::spawn(timeout(Duration::from_secs(30), async move { auth.judge(&headers).await }))
        };
        let mut compared = Vec::new();
        for number in 0..limits::PASSWORDS_COMPARED {
            compared.push(judge(number));
            begun.recv().await.unwrap();
        }
        for number in 100..105 {
            assert_eq!(judge(number).await.unwrap(), Ok(Verdict::Busy));
        }
        // Whoever goes away does not take the work along.
        compared.iter().for_each(tokio::task::JoinHandle::abort);
        assert_eq!(judge(105).await.unwrap(), Ok(Verdict::Busy));
        drop(end);
        drop(auth.comparing.acquire().await);
        assert_eq!(judge(106).await.unwrap(), Ok(Verdict::Refused));
    }

    #[test]
    fn hashes_are_checked_and_never_shown() {
        let dots = ".".repeat(53);
        for good in ["$2a$04$", "$2b$10$", "$2y$16$"] {
            assert!(PasswordHash::parse(&format!("{good}{dots}")).is_ok(), "{good}");
        }
        for bad in ["", "hunter2", "$1$abc$", "$2y$10$short"] {
            let error = PasswordHash::parse(bad).unwrap_err();
            assert!(error.contains("bcrypt") && !error.contains("hunter2"), "{error}");
        }
        for cost in ["03", "17", "31"] {
            assert!(
                PasswordHash::parse(&format!("$2y${cost}${dots}")).unwrap_err().contains("cost"),
                "{cost}"
            );
        }
        assert_eq!(format!("{:?}", hash("x")), "PasswordHash");
    }
}
