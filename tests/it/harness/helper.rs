//! Programs that a run of the tests needs beside it: a PostgreSQL, a browser's driver. A shell stands between us and each: when our
//! end of its standard input closes, however that comes, it ends the program and cleans up.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// A loaded machine gets its time.
const START: Duration = Duration::from_secs(90);

pub struct Helper {
    shell: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Helper {
    pub fn start(mut command: Command) -> Result<Self, String> {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut shell = spawned.map_err(|error| format!("{command:?} could not be started: {error}"))?;
        let stdin = shell.stdin.take().ok_or("no standard input")?;
        let stdout = BufReader::new(shell.stdout.take().ok_or("no standard output")?);
        let (sender, lines) = mpsc::channel();
        // It reads on when nobody listens any more, or the program would stop when the pipe is full.
        thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        Ok(Self { shell, stdin, lines })
    }

    /// Waits until the program says what is waited for; else gives all that it said.
    pub fn says<T>(&self, look: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        let deadline = Instant::now() + START;
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if let Some(found) = look(&line) {
                return Ok(found);
            }
            said.push(line);
        }
        Err(format!("a helper did not start in {START:?}:\n{}", said.join("\n")))
    }

    /// Gives the shell a line to read.
    pub fn told(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.stdin, "{line}").map_err(|error| error.to_string())
    }

    pub fn stop(mut self) {
        drop(self.stdin);
        let _ = self.shell.wait();
    }
}
