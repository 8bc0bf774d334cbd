//! Load: connections that post prebuilt requests and read the answers. It runs on the same processors as what it measures, so it
//! does as little as it can.

use std::{
    io,
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
};

use super::BenchError;

/// Writes the request of a number into the buffer.
pub type Make = Arc<dyn Fn(usize, &mut Vec<u8>) + Send + Sync>;

/// What became of a load.
#[derive(Debug, Default)]
pub struct Answered {
    /// How long each 2xx took; of a paced load, from the moment at which it should have been sent.
    pub latencies: Vec<Duration>,
    /// Answers of another status.
    pub refused: usize,
    pub took: Duration,
}

impl Answered {
    /// Requests answered with a 2xx, a second.
    pub fn rate(&self) -> f64 {
        super::float(self.latencies.len()) / self.took.as_secs_f64()
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.refused += other.refused;
    }
}

/// Numbers that connections take one after the other, until they are used up or the time is over.
pub struct Numbers {
    next: AtomicUsize,
    end: usize,
    until: Option<Instant>,
}

impl Numbers {
    pub fn all(range: Range<usize>) -> Self {
        Self { next: AtomicUsize::new(range.start), end: range.end, until: None }
    }

    pub fn during(from: usize, time: Duration) -> Self {
        Self { next: AtomicUsize::new(from), end: usize::MAX, until: Some(Instant::now() + time) }
    }

    fn take(&self) -> Option<usize> {
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.end).then_some(number)
    }
}

/// Every connection sends its next request as soon as it has the answer to the one before.
pub async fn flat_out(
    to: SocketAddr,
    make: &Make,
    numbers: Numbers,
    connections: usize,
) -> Result<Answered, BenchError> {
    let numbers = Arc::new(numbers);
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _connection in 0..connections {
        let (make, numbers) = (Arc::clone(make), Arc::clone(&numbers));
        tasks.spawn(async move {
            let mut connection = Connection::open(to).await?;
            let (mut answered, mut request) = (Answered::default(), Vec::new());
            while let Some(number) = numbers.take() {
                let sent = Instant::now();
                request.clear();
                make(number, &mut request);
                let status = connection.exchange(&request).await?;
                answered.count(status, sent);
            }
            Ok(answered)
        });
    }
    gather(tasks, began).await
}

/// How many requests a pace makes in a time.
pub fn paced_count(time: Duration, per_second: u32) -> usize {
    let pause = Duration::from_secs(1) / per_second;
    usize::try_from(time.as_micros() / pause.as_micros()).unwrap_or(usize::MAX)
}

/// Requests at a fixed pace, whether those before have been answered or not: what waits because the server is slow is counted
/// as waiting.
pub async fn paced(
    to: SocketAddr,
    make: &Make,
    numbers: Range<usize>,
    (per_second, connections): (u32, usize),
) -> Result<Answered, BenchError> {
    let mut tasks = JoinSet::new();
    let mut queues = Vec::with_capacity(connections);
    for _connection in 0..connections {
        let (queue, mut due) = mpsc::unbounded_channel::<(usize, Instant)>();
        queues.push(queue);
        let make = Arc::clone(make);
        let mut connection = Connection::open(to).await?;
        tasks.spawn(async move {
            let (mut answered, mut request) = (Answered::default(), Vec::new());
            while let Some((number, intended)) = due.recv().await {
                request.clear();
                make(number, &mut request);
                let status = connection.exchange(&request).await?;
                answered.count(status, intended);
            }
            Ok(answered)
        });
    }
    let began = Instant::now();
    // The timers of the runtime tick in whole milliseconds; a thread that sleeps is far more exact.
    let pacing = thread::Builder::new().name("pace".into()).spawn(move || {
        let pause = Duration::from_secs(1) / per_second;
        let mut intended = began;
        for (number, queue) in numbers.zip(queues.iter().cycle()) {
            intended += pause;
            thread::sleep(intended.saturating_duration_since(Instant::now()));
            if queue.send((number, intended)).is_err() {
                return;
            }
        }
    })?;
    let answered = gather(tasks, began).await;
    drop(pacing);
    answered
}

async fn gather(mut tasks: JoinSet<Result<Answered, io::Error>>, began: Instant) -> Result<Answered, BenchError> {
    let mut all = Answered::default();
    while let Some(ended) = tasks.join_next().await {
        all.add(ended.map_err(io::Error::other)??);
    }
    all.took = began.elapsed();
    if all.latencies.is_empty() {
        return Err(BenchError::Unexpected(format!("no request succeeded, {} were refused", all.refused)));
    }
    Ok(all)
}

impl Answered {
    fn count(&mut self, status: u16, since: Instant) {
        if (200..300).contains(&status) {
            self.latencies.push(since.elapsed());
        } else {
            self.refused += 1;
        }
    }
}

/// A kept connection that exchanges one request for one answer.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub async fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(1024) })
    }

    /// The status of the answer.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some(message) = Message::read(&self.answer) else { continue };
            if message.is_whole(&self.answer) {
                let status = message.head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
                return status.and_then(|digits| digits.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into());
            }
        }
    }
}

/// The head of an HTTP message, with its closing empty line, and the length of what follows.
pub struct Message<'a> {
    pub head: &'a [u8],
    pub body: usize,
}

impl<'a> Message<'a> {
    /// None while the head is incomplete.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        const END: &[u8] = b"\r\n\r\n";
        let end = bytes.windows(END.len()).position(|four| four == END)? + END.len();
        let head = bytes.get(..end)?;
        let body = head.split(|byte| *byte == b'\n').find_map(content_length).unwrap_or(0);
        Some(Self { head, body })
    }

    pub fn len(&self) -> usize {
        self.head.len() + self.body
    }

    pub fn is_whole(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.len()
    }
}

fn content_length(line: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    let value = name.eq_ignore_ascii_case(NAME).then_some(value)?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}
