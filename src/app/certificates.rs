//! Certificates are replaced while the server runs: by an operator, by ACME, by a secret that is mounted anew.

use tokio_util::sync::CancellationToken;

use crate::{
    event::{Event, Observer},
    expose::web::{Material, TlsFault, WebHandle},
    limits,
};

/// What the files held when they were last looked at.
type Read = Result<Material, Vec<TlsFault>>;

/// Looks at the files now and then until `stop`, and puts in force what has changed. New ones that cannot be used are
/// told of once; the ones before stay.
pub(super) async fn watch(web: WebHandle, observer: Observer, stop: CancellationToken) {
    let mut doubtful: Option<(Read, bool)> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(limits::CERTIFICATES_EVERY) => {}
        }
        let current = web.current();
        let Some(tls) = &current.tls else { continue };
        let options = tls.options.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || options.read()).await else { continue };
        if read.as_ref() == Ok(&tls.material) {
            doubtful = None;
            continue;
        }
        match read.clone().and_then(|material| tls.options.with(material)) {
            Ok(tls) => {
                doubtful = None;
                if web.replace_tls(&current, tls) {
                    observer(&Event::CertificatesReloaded);
                }
            }
            // Certificate and key are seldom replaced in one instant: only what stays is worth a word.
            Err(faults) => {
                let known = doubtful.as_ref().filter(|(seen, _)| *seen == read).map(|(_, told)| *told);
                if known == Some(false) {
                    observer(&Event::CertificatesKept { error: text(&faults) });
                }
                doubtful = Some((read, known.is_some()));
            }
        }
    }
}

fn text(faults: &[TlsFault]) -> String {
    let faults: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.key, fault.wanted)).collect();
    faults.join("; ")
}
