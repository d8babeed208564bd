//! The exchange itself runs in a process of its own: this test binary, started again.

use super::*;

#[test]
fn what_is_packed_is_unpacked() {
    let secrets = [("TRADOVATE_PASSWORD", "a=b\nc"), ("TRADOVATE_SEC", "")];
    let payload = pack(secrets.iter().map(|&(name, value)| (name, OsStr::new(value)))).unwrap();
    let mut environment = Environment::default();
    unpack(payload.as_slice(), &mut environment).unwrap();
    for (name, value) in secrets {
        assert_eq!(environment.get(name), Some(OsStr::new(value)));
    }
}

#[test]
fn nothing_else_comes_through_the_pipe() {
    let long = vec![b'a'; MOST_BYTES + 1];
    for bad in
        [b"".as_slice(), b"TRADOVATE_SEC=x", b"TRADOVATE_SEC\0", b"PATH=/tmp\0", b"=\0", long.as_slice()]
    {
        let mut environment = Environment::default();
        assert!(matches!(unpack(bad, &mut environment), Err(HandoverError::Garbled)), "{bad:?}");
        assert_eq!(environment.ours().count(), 0);
    }
    let value = "x".repeat(MOST_BYTES);
    let error = pack([("TRADOVATE_SEC", OsStr::new(&value))].into_iter()).unwrap_err();
    assert!(matches!(error, HandoverError::TooLong) && !error.to_string().contains("xxx"));
}

/// Starts `itself` below with secrets in its environment, and looks at what the kernel shows of it.
#[test]
fn a_process_started_with_secrets_runs_on_without_them() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "config::handover::tests::itself", "--ignored", "--nocapture"])
        .env("TRADOVATE_PASSWORD", "canary-password")
        .env("TRADOVATE_SEC", "canary-sec")
        .env("TRADOVATE_NAME", "somebody")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    let mut seen = String::new();
    child.stdout.take().unwrap().read_to_string(&mut seen).unwrap();
    assert!(child.wait().unwrap().success(), "{seen}");
    assert!(seen.contains(&format!("pid={id} password=15 sec=10 name=8")), "{seen}");
    assert!(seen.contains("environ=TRADOVATE_NAME,TRADOVATE_PROXY_HANDOVER stdin=0"), "{seen}");
    assert!(!seen.contains("canary"), "{seen}");
}

#[test]
#[ignore = "the body of the process that the test above starts"]
fn itself() {
    let environment = receive().unwrap();
    shed(&environment).unwrap();
    // From here on we are the second self: the first never returned from `shed`.
    let length = |name| environment.get(name).map_or(0, OsStr::len);
    let environ = std::fs::read_to_string("/proc/self/environ").unwrap();
    let names: Vec<_> = environ
        .split('\0')
        .filter_map(|variable| variable.split_once('='))
        .filter(|(name, _)| name.starts_with("TRADOVATE_"))
        .map(|(name, _)| name)
        .collect();
    assert!(!environ.contains("canary"));
    let mut rest = Vec::new();
    File::open("/proc/self/fd/0").unwrap().read_to_end(&mut rest).unwrap();
    let mut names = names;
    names.sort_unstable();
    println!(
        "pid={} password={} sec={} name={} environ={} stdin={}",
        std::process::id(),
        length("TRADOVATE_PASSWORD"),
        length("TRADOVATE_SEC"),
        length("TRADOVATE_NAME"),
        names.join(","),
        rest.len()
    );
}
