//! Calls that are answered here instead of by the kernel: a filter asks the helper about them.
//!
//! **The machine.** Steps are told of the same one everywhere (`machine`).
//!
//! **Owners and users where there is only one id.** In a user namespace with one id the kernel refuses every other owner, user and group, so that package managers
//! fail. The filter asks about those calls, and about those that make files or tell about them. Owners
//! are kept beside the files (`user.imgc.owner`, which `imgc-image` reads); who a process is, is remembered here and told to whoever asks.
//!
//! What cannot be kept is noted for the user: links and special files carry no attribute.

mod create;
mod ids;
mod machine;
mod owner;
mod place;
mod stat;
mod tracee;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use imgc_base::ImagePath;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::Pid;

use crate::command::{Command, What};
use crate::seccomp::Asked;
use crate::sys::{self, Question, Reply};
use ids::People;
pub(crate) use machine::Machine;
use tracee::Tracee;

/// What a process is told: the reply, or its call's error.
type Answer = Result<Reply, Errno>;

/// What could not be kept, for the user.
pub(crate) type Notes = Arc<Mutex<BTreeSet<String>>>;

/// What a filter asks about.
#[derive(Debug, Clone)]
pub(crate) struct Emulated {
    /// There is one id: owners and users.
    pub(crate) single: bool,
    /// The machine.
    pub(crate) machine: Option<Machine>,
    /// Whose the files are that are lent to the command.
    pub(crate) lent: Lent,
}

/// Mounts that lie in memory, which keeps no owners beside files: their targets and owners.
pub(crate) type Lent = Vec<(ImagePath, (u32, u32))>;

/// Those of a command that belong to another than root.
pub(crate) fn lent(command: &Command) -> Lent {
    let owned = command.mounts.iter().filter_map(|mount| match &mount.what {
        What::File { uid, gid, .. } | What::Socket { uid, gid, .. } => {
            Some((mount.target.clone(), (*uid, *gid)))
        }
        _ => None,
    });
    owned.filter(|(_, owner)| *owner != (0, 0)).collect()
}

/// Answers the filter's questions until no process is left that could ask.
pub(crate) fn serve(emulated: &Emulated, questions: OwnedFd, init: Pid, notes: Notes) {
    if emulated.single {
        // Files are made for others with the modes that those asked for; this process makes none of its own any more.
        rustix::process::umask(rustix::fs::Mode::empty());
    }
    let Emulated { machine, lent, .. } = emulated.clone();
    std::thread::spawn(move || {
        let mut emulator = Emulator {
            machine,
            people: People::default(),
            root: None,
            init,
            notes,
            lent,
            owners: BTreeMap::new(),
        };
        while let Ok(question) = sys::next_question(questions.as_fd()) {
            let still_asks = || sys::still_asks(questions.as_fd(), question.id);
            let answer = emulator.answer(&question, &still_asks);
            let reply = answer.unwrap_or_else(|error| Reply::Error(error.raw_os_error()));
            // The asker may be dead by now.
            drop(sys::answer(questions.as_fd(), question.id, &reply));
        }
    });
}

struct Emulator {
    machine: Option<Machine>,
    people: People,
    /// The sandbox's root, opened at the first question.
    root: Option<OwnedFd>,
    init: Pid,
    notes: Notes,
    lent: Lent,
    /// The owners of lent files, by device and inode.
    owners: BTreeMap<(u64, u64), (u32, u32)>,
}

impl Emulator {
    fn answer(&mut self, question: &Question, still_asks: &dyn Fn() -> bool) -> Answer {
        let tracee = Tracee::new(question.pid, still_asks);
        if machine::is_about(question.call) {
            let machine = self.machine.as_ref().ok_or(Errno::NOSYS)?;
            return Ok(machine.answer(&tracee, question));
        }
        if ids::is_about(question.call) {
            return self.people.answer(&tracee, question);
        }
        if self.root.is_none() {
            let root = tracee::root_of(self.init)?;
            for (target, owner) in std::mem::take(&mut self.lent) {
                // A target that leads nowhere is nobody's.
                if let Ok(file) = place::open(&root, target.to_absolute().as_bytes(), OFlags::empty())
                    && let Ok(stat) = rustix::fs::fstat(&file)
                {
                    self.owners.insert((stat.st_dev, stat.st_ino), owner);
                }
            }
            self.root = Some(root);
        }
        let root = self.root.as_ref().ok_or(Errno::NOENT)?;
        if stat::is_about(question.call) {
            return Ok(stat::answer(root, &self.owners, &tracee, question).unwrap_or(Reply::Continue));
        }
        let person = self.people.of(&tracee);
        let mut note = |text| note(&self.notes, text);
        if owner::is_about(question.call) {
            owner::answer(root, &tracee, &person, question, &mut note)
        } else {
            create::answer(root, &tracee, &person, question, &mut note)
        }
    }
}

/// Remembers something for the user.
pub(crate) fn note(notes: &Notes, text: String) {
    /// Enough to understand; a large package would say it a thousand times.
    const MOST: usize = 10;
    if let Ok(mut notes) = notes.lock()
        && notes.len() < MOST
    {
        notes.insert(text);
    }
}

impl Emulated {
    /// The calls to ask about.
    pub(crate) fn calls(&self) -> Vec<Asked> {
        let mut asked = Vec::new();
        let mut always =
            |calls: &[libc::c_long]| asked.extend(calls.iter().map(|&call| Asked { call, bits: None }));
        if self.machine.is_some() {
            always(machine::CALLS);
        }
        if self.single {
            for calls in [owner::CALLS, ids::CALLS, stat::CALLS] {
                always(calls);
            }
            asked.push(ids::keeping());
            asked.extend(create::calls());
        }
        asked
    }
}
