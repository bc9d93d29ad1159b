//! The binary under limits of time and memory.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longer is a hang.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Address space of a run in KiB: 4 GB.
const MEMORY: usize = 4 << 20;

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) args: String,
    /// None after [`LIMIT`].
    pub(crate) status: Option<ExitStatus>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn succeeded(&self) -> bool {
        self.status.is_some_and(|s| s.success())
    }

    /// Ended by itself with an exit code that the documentation names.
    pub(crate) fn ended_well(&self) -> bool {
        let code = self.status.and_then(|s| s.code());
        matches!(code, Some(0..=2)) && !self.panicked()
    }

    fn panicked(&self) -> bool {
        self.stderr.contains("panicked at") || self.stderr.contains("internal error")
    }

    pub(crate) fn too_large(&self) -> bool {
        self.stderr.contains("memory allocation of")
            || self.stderr.contains("Cannot allocate memory")
    }

    /// The first character that does something to a terminal, or reorders what it shows.
    pub(crate) fn control(&self) -> Option<char> {
        let bad = |c: &char| {
            (c.is_control() && !matches!(c, '\n' | '\t'))
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        self.stdout.chars().chain(self.stderr.chars()).find(bad)
    }

    pub(crate) fn words(&self) -> String {
        let end = match self.status {
            None => "no end".to_owned(),
            Some(s) => s.code().map_or_else(
                || format!("signal {:?}", s.signal()),
                |c| format!("exit {c}"),
            ),
        };
        let tail: String = self.stderr.chars().take(400).collect();
        format!("limpid {}: {end}: {tail}", self.args)
    }
}

/// The binary: the one of this build, or that of LIMPID_PROGRAM, such as an earlier version.
pub(crate) fn program() -> String {
    std::env::var("LIMPID_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_limpid").to_owned())
}

/// The binary with arguments, in a shell that limits it. `setup` is run first, such as another limit.
fn command(setup: &str, args: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!(
            "ulimit -v {MEMORY} 2>/dev/null; ulimit -c 0; {setup} exec \"$0\" \"$@\""
        ))
        .arg(program())
        .args(args)
        .args(["--threads", "1"])
        .env_remove("LIMPID_DATA")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    shell
}

/// Starts the binary.
pub(crate) fn start(args: &[&str]) -> Child {
    command("", args).spawn().unwrap()
}

/// Runs the binary.
pub(crate) fn limpid(args: &[&str]) -> Outcome {
    limpid_after("", args)
}

/// Runs the binary after a command of the shell.
pub(crate) fn limpid_after(setup: &str, args: &[&str]) -> Outcome {
    wait(command(setup, args).spawn().unwrap(), args.join(" "))
}

/// Waits for the end of a process, and kills it after [`LIMIT`].
pub(crate) fn wait(mut child: Child, args: String) -> Outcome {
    let reader = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // A pipe that breaks has said what it had to say.
            let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = reader(
        child
            .stdout
            .take()
            .map(|p| Box::new(p) as Box<dyn Read + Send>),
    );
    let stderr = reader(
        child
            .stderr
            .take()
            .map(|p| Box::new(p) as Box<dyn Read + Send>),
    );
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if started.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    Outcome {
        args,
        status,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}
