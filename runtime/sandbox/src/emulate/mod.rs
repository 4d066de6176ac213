//! Owners and users where there is only one id.
//!
//! In a user namespace with one id the kernel refuses every other owner, user and group, so that package managers
//! fail. A second filter asks the helper about those calls. Owners are kept beside the files
//! (`user.imgc.owner`, which `imgc-image` reads); who a process is, is remembered here and told to whoever asks.
//!
//! What this cannot do is said by [`Emulator::notes`]: a file is made by the one id, whoever a process says it is, and
//! links and special files cannot carry an attribute.

mod ids;
mod owner;
mod tracee;

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use rustix::io::Errno;
use rustix::process::Pid;

use crate::sys::{self, Question};
use ids::People;
use tracee::Tracee;

/// What an answer is: the call's result or its error.
type Answer = Result<i64, Errno>;

/// What could not be kept, for the user.
pub(crate) type Notes = Arc<Mutex<BTreeSet<String>>>;

/// Answers the filter's questions until no process is left that could ask.
pub(crate) fn serve(questions: OwnedFd, init: Pid, notes: Notes) {
    std::thread::spawn(move || {
        let mut emulator = Emulator { people: People::default(), root: None, init, notes };
        while let Ok(question) = sys::next_question(questions.as_fd()) {
            let still_asks = || sys::still_asks(questions.as_fd(), question.id);
            let answer = emulator.answer(&question, &still_asks);
            // The asker may be dead by now.
            drop(sys::answer(questions.as_fd(), question.id, answer.map_err(Errno::raw_os_error)));
        }
    });
}

struct Emulator {
    people: People,
    /// The sandbox's root, opened at the first question.
    root: Option<OwnedFd>,
    init: Pid,
    notes: Notes,
}

impl Emulator {
    fn answer(&mut self, question: &Question, still_asks: &dyn Fn() -> bool) -> Answer {
        let tracee = Tracee::new(question.pid, still_asks)?;
        if owner::is_about(question.call) {
            if self.root.is_none() {
                self.root = Some(tracee::root_of(self.init)?);
            }
            let root = self.root.as_ref().ok_or(Errno::NOENT)?;
            return owner::answer(root, &tracee, question, &mut |note| self.note(note));
        }
        let answer = self.people.answer(&tracee, question);
        if let Some(uid) = self.people.stranger() {
            self.note(format!(
                "a process ran as user {uid}: files that it made belong to root here; give this user subordinate ids"
            ));
        }
        answer
    }

    fn note(&self, note: String) {
        /// Enough to understand; a large package would say it a thousand times.
        const MOST: usize = 10;
        if let Ok(mut notes) = self.notes.lock()
            && notes.len() < MOST
        {
            notes.insert(note);
        }
    }
}

/// The calls to ask about.
pub(crate) fn calls() -> Vec<libc::c_long> {
    [owner::CALLS, ids::CALLS].concat()
}
