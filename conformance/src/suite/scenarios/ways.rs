//! The way to the server: certificates, proxies, things in front of it. Said clearly, healed when the cause goes.

use crate::engine::EngineOptions;
use crate::server::{Certificate, ConnectProxy, ProxyOptions, ScriptedServer, ServerOptions};
use crate::suite::support::agent::{DEADLINE, Setup};
use crate::suite::support::engines::{Engine, together};
use crate::suite::support::stage::Stage;

scenarios! {
    "1": a_private_authority_has_to_be_named,
    "1": the_named_file_may_come_later,
    "1": certificates_that_prove_nothing,
    "1": a_scheme_that_does_not_fit_the_port,
    "1": both_sockets_go_through_the_proxy,
    "1": a_proxy_that_wants_credentials,
    "1": a_proxy_that_refuses_or_is_away,
    "1": something_else_at_the_address,
    "1": a_statistics_socket_that_is_not_routed_is_said_once,
}

fn engine() -> Engine {
    Engine::simulated(EngineOptions::docker26())
}

/// A file with the server's authority.
fn ca_file(server: &ScriptedServer) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), server.ca_pem().unwrap()).unwrap();
    file
}

fn registered(server: &ScriptedServer) {
    server.block_on(server.wait_registered(DEADLINE)).unwrap();
}

fn a_private_authority_has_to_be_named() {
    let engine = engine();
    let server = ScriptedServer::spawn(ServerOptions::default().tls(Certificate::Good)).unwrap();
    let data = tempfile::tempdir().unwrap();
    let setup = Setup::new(&server.url(), &engine.socket, data.path());
    let agent = setup.start();
    agent.wait_log(&["WARN", "cannot connect", "SSL_CERT_FILE", "INSECURE_SKIP_VERIFY"]);
    let failed = |server: &ScriptedServer| (server.counters().tls_failures > 0).then_some(());
    server.block_on(server.wait_until("a TLS failure", DEADLINE, failed)).unwrap();
    assert!(server.registrations().is_empty());
    drop(agent);
    let file = ca_file(&server);
    let agent = setup.var("SSL_CERT_FILE", file.path()).start();
    registered(&server);
    server
        .block_on(server.wait_until("both sockets", DEADLINE, |server| (server.stats_link().open() == 1).then_some(())))
        .unwrap();
    drop(agent);
}

fn the_named_file_may_come_later() {
    let engine = engine();
    let server = ScriptedServer::spawn(ServerOptions::default().tls(Certificate::Good)).unwrap();
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("ca.pem");
    let agent = Setup::new(&server.url(), &engine.socket, data.path()).var("SSL_CERT_FILE", &file).start();
    agent.wait_log(&["WARN", "cannot connect", "SSL_CERT_FILE", "ca.pem"]);
    std::fs::write(&file, "no certificate at all").unwrap();
    agent.wait_log_since(agent.log_mark(), &["WARN", "cannot connect", "SSL_CERT_FILE", "ca.pem"]);
    std::fs::write(&file, server.ca_pem().unwrap()).unwrap();
    registered(&server);
}

fn certificates_that_prove_nothing() {
    let cases = [
        ("name", Certificate::WrongName, ["name", "elsewhere.invalid"]),
        ("expired", Certificate::Expired, ["expired", "renew it"]),
    ];
    together(cases.map(|(name, certificate, words)| {
        let run = move || {
            let engine = engine();
            let server = ScriptedServer::spawn(ServerOptions::default().tls(certificate)).unwrap();
            let data = tempfile::tempdir().unwrap();
            let file = ca_file(&server);
            let setup = Setup::new(&server.url(), &engine.socket, data.path()).var("SSL_CERT_FILE", file.path());
            let agent = setup.start();
            let line = agent.wait_log(&["WARN", "cannot connect", "certificate", words[0]]);
            assert!(line.contains(words[1]), "{line}");
            drop(agent);
            let agent = setup.var("INSECURE_SKIP_VERIFY", "true").start();
            registered(&server);
            agent.wait_log(&["WARN", "INSECURE_SKIP_VERIFY", "not verified"]);
            // Cut before that, the agent would never have got the token that the server gave it.
            agent.wait_log(&["INFO", "\"registered\""]);
            let mark = agent.log_mark();
            server.cut();
            server.block_on(server.wait_registrations(2, DEADLINE)).unwrap();
            agent.wait_log_since(mark, &["WARN", "INSECURE_SKIP_VERIFY"]);
        };
        (name.to_owned(), run)
    }));
}

fn a_scheme_that_does_not_fit_the_port() {
    let engine = engine();
    for (certificate, wrong) in [(None, "wss"), (Some(Certificate::Good), "ws")] {
        let options = ServerOptions { tls: certificate, ..ServerOptions::default() };
        let server = ScriptedServer::spawn(options).unwrap();
        let data = tempfile::tempdir().unwrap();
        let url = format!("{wrong}://{}", server.address());
        let agent = Setup::new(&url, &engine.socket, data.path()).start();
        agent.wait_log(&["WARN", "cannot connect", if wrong == "wss" { "SSL_CERT_FILE" } else { "wss://" }]);
    }
}

/// A server that only the proxy can find.
fn behind_proxy(
    proxy: impl FnOnce(&ScriptedServer) -> ProxyOptions,
    tls: bool,
) -> (ScriptedServer, ConnectProxy, String) {
    // The name of the certificate is the one that the proxy knows.
    let options = ServerOptions { tls: tls.then_some(Certificate::WrongName), ..ServerOptions::default() };
    let server = ScriptedServer::spawn(options).unwrap();
    let mut options = proxy(&server);
    options.routes.push(("elsewhere.invalid".to_owned(), server.address()));
    let proxy = ConnectProxy::spawn(options).unwrap();
    let scheme = if tls { "https" } else { "http" };
    let url = format!("{scheme}://elsewhere.invalid:{}", server.address().port());
    (server, proxy, url)
}

fn both_sockets_go_through_the_proxy() {
    for tls in [false, true] {
        let engine = engine();
        let (server, proxy, url) = behind_proxy(|_| ProxyOptions::default(), tls);
        let data = tempfile::tempdir().unwrap();
        let setup = Setup::new(&url, &engine.socket, data.path());
        let agent = setup.start();
        agent.wait_log(&["WARN", "cannot connect", "DNS"]);
        drop(agent);
        let file = tls.then(|| ca_file(&server));
        let setup = match &file {
            Some(file) => setup.var("SSL_CERT_FILE", file.path()),
            None => setup,
        };
        let agent = setup.var(if tls { "https_proxy" } else { "HTTP_PROXY" }, proxy.url()).start();
        registered(&server);
        server
            .block_on(
                server.wait_until("both sockets", DEADLINE, |server| (server.stats_link().open() == 1).then_some(())),
            )
            .unwrap();
        let tunnel = url.split_once("://").unwrap().1;
        assert_eq!(proxy.counters().tunnels, [tunnel, tunnel]);
        drop(agent);
    }
}

fn a_proxy_that_wants_credentials() {
    let engine = engine();
    let password = "s3cret p@ss/word";
    let credentials = Some(("agent".to_owned(), password.to_owned()));
    let (server, proxy, url) = behind_proxy(|_| ProxyOptions { credentials, ..ProxyOptions::default() }, false);
    let data = tempfile::tempdir().unwrap();
    let setup = Setup::new(&url, &engine.socket, data.path()).secret(password).secret("s3cret");
    let agent = setup.clone().var("HTTP_PROXY", proxy.url()).start();
    agent.wait_log(&["WARN", "cannot connect", "407", "user name and a password", "HTTP_PROXY"]);
    drop(agent);
    let wrong = proxy.url_with_credentials().replace("agent:", "agent:x");
    let agent = setup.clone().var("HTTP_PROXY", &wrong).start();
    agent.wait_log(&["WARN", "cannot connect", "407"]);
    drop(agent);
    let agent = setup.var("HTTP_PROXY", proxy.url_with_credentials()).start();
    registered(&server);
    assert!(proxy.counters().unauthorized >= 2);
    drop(agent);
}

fn a_proxy_that_refuses_or_is_away() {
    let engine = engine();
    let (server, proxy, url) = behind_proxy(|_| ProxyOptions::default(), false);
    proxy.refuse(Some(403));
    let data = tempfile::tempdir().unwrap();
    let agent = Setup::new(&url, &engine.socket, data.path()).var("HTTP_PROXY", proxy.url()).start();
    agent.wait_log(&["WARN", "cannot connect", "403", "allow it there", "NO_PROXY"]);
    proxy.refuse(Some(502));
    agent.wait_log(&["WARN", "cannot connect", "502", "HTTP_PROXY"]);
    proxy.refuse(None);
    registered(&server);
    drop(agent);
    drop(proxy);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let agent = Setup::new(&url, &engine.socket, data.path()).var("HTTP_PROXY", format!("http://{free}")).start();
    agent.wait_log(&["WARN", "cannot connect", "the proxy at", "refused"]);
}

fn something_else_at_the_address() {
    let engine = engine();
    let stage = Stage::new(&engine);
    for (status, words) in [(404, "is this a DockMon server"), (403, "refuses this path"), (502, "the proxy in front")]
    {
        stage.server.http_status(Some(status));
        stage.server.cut();
        let line = stage.agent.wait_log(&["WARN", "cannot connect", &status.to_string()]);
        assert!(line.contains(words), "{line}");
    }
    stage.server.http_status(None);
    stage.wait_registrations(2);
    stage.check();
}

fn a_statistics_socket_that_is_not_routed_is_said_once() {
    let engine = engine();
    let stage = Stage::begun(&engine, ServerOptions::default(), |setup| setup);
    stage.server.stats_link().http_status(Some(404));
    stage.server.stats_link().cut();
    stage.wait_registered();
    stage.agent.wait_log(&["WARN", "no statistics socket", "/api/stats/ws/ingest"]);
    stage.agent.wait_log(&["DEBUG", "no statistics socket"]);
    stage.server.stats_link().http_status(None);
    stage.agent.wait_log(&["INFO", "the statistics socket works again"]);
    assert_eq!(stage.agent.count_log(&["WARN", "no statistics socket"]), 1);
    assert_eq!(stage.server.registrations().len(), 1, "the main socket never knew");
    stage.check();
}
