//! A running program, everything it has printed, and how it ended.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::patience::PATIENCE;

/// A process that is killed, if it still runs, when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    printed: Arc<Printed>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit status; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program under test with these arguments, in an empty environment.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tradovate-proxy"));
    command.env_clear().args(arguments);
    command
}

/// The same command, in a shell that has it told of a limit by an error, and not killed.
pub(crate) fn deaf(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args());
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

/// Runs a command to its end.
pub(crate) fn run(command: Command) -> Ended {
    Process::start(command).end()
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::spawn(command)
    }

    /// One that reads what it is to do from its standard input.
    pub(crate) fn start_led(mut command: Command) -> (Self, ChildStdin) {
        command.stdin(Stdio::piped());
        let mut process = Self::spawn(command);
        let input = process.child.stdin.take().unwrap();
        (process, input)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let printed = Arc::new(Printed::default());
        collect(child.stdout.take().unwrap(), &printed, |text| &mut text.stdout);
        collect(child.stderr.take().unwrap(), &printed, |text| &mut text.stderr);
        Self { child, printed }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for a line, on either stream, with `part` in it.
    pub(crate) fn line(&self, part: &str) -> String {
        let found = |text: &Text| {
            let lines = text.stdout.lines().chain(text.stderr.lines());
            lines.into_iter().find(|line| line.contains(part)).map(str::to_owned)
        };
        let line = self.printed.until(|text| text.ended == STREAMS || found(text).is_some(), found);
        line.unwrap_or_else(|| panic!("no line with {part:?} in {:?}", self.printed.text.lock().unwrap()))
    }

    /// Everything printed so far.
    pub(crate) fn so_far(&self) -> String {
        let text = self.printed.text.lock().unwrap();
        format!("{}{}", text.stdout, text.stderr)
    }

    /// Waits for the end of the process, which both streams announce by ending.
    pub(crate) fn end(mut self) -> Ended {
        let ended = self.printed.until(|text| text.ended == STREAMS, |text| text.ended == STREAMS);
        assert!(ended, "still running: {:?}", self.printed.text.lock().unwrap());
        let code = self.child.wait().unwrap().code();
        let mut text = self.printed.text.lock().unwrap();
        Ended { code, stdout: std::mem::take(&mut text.stdout), stderr: std::mem::take(&mut text.stderr) }
    }

    /// Ends it as a crash does: at once, wherever it is.
    pub(crate) fn kill(self) {
        self.signal(Signal::KILL);
        assert_eq!(self.end().code, None);
    }

    /// Asks for the end as a service manager does, and waits for it.
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.end()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has printed.
#[derive(Debug, Default)]
struct Printed {
    text: Mutex<Text>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct Text {
    stdout: String,
    stderr: String,
    ended: usize,
}

impl Printed {
    /// Waits until `enough`, or for as long as patience lasts, and looks.
    fn until<T>(&self, enough: impl Fn(&Text) -> bool, look: impl FnOnce(&Text) -> T) -> T {
        let text = self.text.lock().unwrap();
        let (text, _) = self.grown.wait_timeout_while(text, PATIENCE, |text| !enough(text)).unwrap();
        look(&text)
    }
}

fn collect(
    stream: impl Read + Send + 'static,
    printed: &Arc<Printed>,
    into: impl Fn(&mut Text) -> &mut String + Send + 'static,
) {
    let printed = Arc::clone(printed);
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            into(&mut printed.text.lock().unwrap()).push_str(&String::from_utf8_lossy(&line));
            printed.grown.notify_all();
            line.clear();
        }
        printed.text.lock().unwrap().ended += 1;
        printed.grown.notify_all();
    });
}

/// Standard output and standard error.
const STREAMS: usize = 2;
