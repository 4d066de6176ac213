//! A small web server: files by their paths, an answer for everything else, and a list of what was asked.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What stands behind a path.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A body.
    Body(Vec<u8>),
    /// Somewhere else.
    Redirect(String),
    /// A body for those who send this header (`authorization: Bearer x`), 401 for all others.
    Private(String, Vec<u8>),
}

/// What was asked: the path, and the header lines in lower-case names.
pub type Asked = (String, Vec<String>);

/// A server; it answers until the test ends.
#[derive(Debug)]
pub struct Web {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    /// Serves these paths (`/a.tar`), and the files below a directory.
    pub fn new(answers: &[(&str, Answer)], dir: Option<&Path>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let answers: BTreeMap<String, Answer> =
            answers.iter().map(|(path, answer)| ((*path).to_owned(), answer.clone())).collect();
        let dir = dir.map(Path::to_owned);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away early is no fault of the server.
                drop(serve(stream, &answers, dir.as_ref(), &log));
            }
        });
        Self { url, asked }
    }

    /// `HOST:PORT`.
    pub fn host(&self) -> &str {
        &self.url["http://".len()..]
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("a list").clone()
    }
}

fn serve(
    mut stream: TcpStream,
    answers: &BTreeMap<String, Answer>,
    dir: Option<&PathBuf>,
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => request.extend_from_slice(&buffer[..count]),
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let mut lines = text.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let headers: Vec<String> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| format!("{}: {}", name.to_lowercase(), value.trim()))
        .collect();
    log.lock().expect("a list").push((path.clone(), headers.clone()));
    let bare = path.split('?').next().unwrap_or_default();
    let file = || {
        let below = dir?.join(bare.trim_start_matches('/'));
        (!bare.contains("..") && below.is_file()).then(|| fs_err::read(below).ok()).flatten()
    };
    let (status, more, body) = match answers.get(&path) {
        Some(Answer::Body(body)) => ("200 OK", String::new(), body.clone()),
        Some(Answer::Redirect(to)) => ("302 Found", format!("Location: {to}\r\n"), Vec::new()),
        Some(Answer::Private(header, body)) if headers.contains(header) => {
            ("200 OK", String::new(), body.clone())
        }
        Some(Answer::Private(..)) => {
            ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n".to_owned(), Vec::new())
        }
        None => match file() {
            Some(body) => ("200 OK", String::new(), body),
            None => ("404 Not Found", String::new(), Vec::new()),
        },
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{more}\r\n", body.len())?;
    stream.write_all(&body)
}
