//! A real Prometheus scrapes the real binary over TLS, with its password and with a certificate of its own.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use flowcost_exporter::demo;

use crate::support::{
    exporter::{Exporter, PATIENCE},
    scrape,
    tls::Authority,
    tools,
};

/// A process that ends with the value.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// With a configuration in a folder, on a free port.
    fn start(folder: &std::path::Path) -> Self {
        let mut child = tools::prometheus()
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}", tools::missing("prometheus", &error)));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut log = Vec::new();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let address = line
                .contains("Listening on")
                .then(|| line.split("address=").nth(1)?.split(' ').next()?.trim_matches('"').parse().ok());
            log.push(line);
            address.flatten()
        });
        // Its log must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.unwrap_or_else(|| panic!("it does not listen: {log:#?}"));
        Self { child, address }
    }

    /// Asks until a query answers with this value. The exporter's log is what there is to wait for meanwhile.
    fn expect(&self, exporter: &mut Exporter, query: &str, value: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let path = format!("/api/v1/query?query={query}");
            let answer =
                scrape::get(self.address, &path).map_or_else(|error| error.to_string(), |(_, body)| body);
            if answer.contains(&format!(",\"{value}\"]")) {
                return;
            }
            let targets = || scrape::get(self.address, "/api/v1/targets").map(|(_, body)| body);
            assert!(Instant::now() < deadline, "{query}: {answer}, targets {:?}", targets());
            let _ = exporter.line(Duration::from_millis(50));
        }
    }
}

#[test]
#[ignore = "needs prometheus: tests/run"]
fn prometheus_scrapes_with_tls_a_password_and_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("logs")).unwrap();
    fs::write(path("flowcost.toml"), demo::config_toml(&path("logs"))).unwrap();
    let authority = Authority::new();
    authority.equip(dir.path());
    let client = authority.certify(&["prometheus.example"]);
    fs::write(path("client.pem"), &client.cert).unwrap();
    fs::write(path("client-key.pem"), &client.key).unwrap();
    let hash =
        bcrypt::hash_with_salt("s3cret", 10, [5; 16]).unwrap().format_for_version(bcrypt::Version::TwoY);
    let web = format!(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  client_ca_file: ca.pem\n  \
         client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [prometheus.example]\n\
         basic_auth_users:\n  prometheus: {hash}\n"
    );
    fs::write(path("web.yml"), web).unwrap();
    let web = path("web.yml").display().to_string();
    let mut exporter = Exporter::start_as(&path("flowcost.toml"), &["--web.config.file", &web], &[]);
    let target = exporter.address();
    let job = |name: &str, password: &str, certificate: &str| {
        format!(
            "  - job_name: {name}\n    scheme: https\n    static_configs: [{{targets: ['{target}']}}]\n    \
             basic_auth: {{username: prometheus, password: {password}}}\n    \
             tls_config: {{ca_file: ca.pem{certificate}}}\n"
        )
    };
    let shown = ", cert_file: client.pem, key_file: client-key.pem";
    let scrapes =
        [job("right", "s3cret", shown), job("password", "wrong", shown), job("certificate", "s3cret", "")];
    let config =
        format!("global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{}", scrapes.concat());
    fs::write(path("prometheus.yml"), config).unwrap();
    let prometheus = Prometheus::start(dir.path());
    prometheus.expect(&mut exporter, "up%7Bjob=%22right%22%7D", "1");
    prometheus.expect(&mut exporter, "count(flowcost_build_info)", "1");
    prometheus.expect(&mut exporter, "flowcost_config_last_reload_successful%7Bjob=%22right%22%7D", "1");
    for refused in ["password", "certificate"] {
        prometheus.expect(&mut exporter, &format!("up%7Bjob=%22{refused}%22%7D"), "0");
    }
}
