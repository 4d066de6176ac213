//! Who a process says it is: `setuid`, `getuid` and their kin.

use std::collections::BTreeMap;

use rustix::io::Errno;

use super::Answer;
use super::tracee::{Tracee, family, started};
use crate::seccomp::Asked;
use crate::sys::{Question, Reply};

/// The calls that this module answers.
pub(super) const CALLS: &[libc::c_long] = &[
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getresuid,
    libc::SYS_setuid,
    libc::SYS_setreuid,
    libc::SYS_setresuid,
    libc::SYS_setfsuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresgid,
    libc::SYS_setgid,
    libc::SYS_setregid,
    libc::SYS_setresgid,
    libc::SYS_setfsgid,
    libc::SYS_getgroups,
    libc::SYS_setgroups,
];

/// `prctl` that says whether capabilities outlive root: by its own number, and among the secure bits. Both numbers have
/// this bit, and so have a few that are of no interest.
pub(super) const KEEPING: Asked = Asked { call: libc::SYS_prctl, bits: Some((0, 8)) };
/// `SECBIT_KEEP_CAPS`.
const SECURE_BIT: u64 = 1 << 4;

/// Most groups of a process (`NGROUPS_MAX`).
const GROUPS: u32 = 65536;
/// Longer than any chain of shells.
const DEEPEST: usize = 64;
/// Processes that are remembered before the dead among them are forgotten.
const REMEMBERED: usize = 4096;

/// A call's result or its error.
type Outcome = Result<i64, Errno>;

pub(super) fn is_about(call: i32) -> bool {
    CALLS.contains(&libc::c_long::from(call)) || libc::c_long::from(call) == KEEPING.call
}

/// One kind of id: real, effective, saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Three {
    real: u32,
    effective: u32,
    saved: u32,
}

impl Three {
    fn has(self, id: u32) -> bool {
        [self.real, self.effective, self.saved].contains(&id)
    }

    /// `setuid`: all three with privilege, else the effective one to what it may be.
    fn set(&mut self, id: u32, privileged: bool) -> Outcome {
        if privileged {
            *self = Self { real: id, effective: id, saved: id };
        } else if id == self.real || id == self.saved {
            self.effective = id;
        } else {
            return Err(Errno::PERM);
        }
        Ok(0)
    }

    /// `setreuid`.
    fn set_two(&mut self, real: u32, effective: u32, privileged: bool) -> Outcome {
        let before = *self;
        let keep = |id: u32, old: u32| if id == u32::MAX { old } else { id };
        let (new_real, new_effective) = (keep(real, before.real), keep(effective, before.effective));
        let may_real = [before.real, before.effective].contains(&new_real);
        let may = may_real && before.has(new_effective);
        if !privileged && !may {
            return Err(Errno::PERM);
        }
        self.real = new_real;
        self.effective = new_effective;
        if real != u32::MAX || (effective != u32::MAX && new_effective != before.real) {
            self.saved = new_effective;
        }
        Ok(0)
    }

    /// `setresuid`.
    fn set_three(&mut self, ids: [u32; 3], privileged: bool) -> Outcome {
        let before = *self;
        if !privileged && !ids.iter().all(|&id| id == u32::MAX || before.has(id)) {
            return Err(Errno::PERM);
        }
        for (own, id) in [&mut self.real, &mut self.effective, &mut self.saved].into_iter().zip(ids) {
            if id != u32::MAX {
                *own = id;
            }
        }
        Ok(0)
    }
}

/// A program by the device and inode of its file.
type Program = (u64, u64);

/// Who a process says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    user: Three,
    group: Three,
    groups: Vec<u32>,
    /// The program in which capabilities outlive root, until the next one: `setpriv` gives up its user first and then its
    /// groups.
    keeps: Option<Program>,
}

impl Default for Person {
    fn default() -> Self {
        Self { user: Three::default(), group: Three::default(), groups: vec![0], keeps: None }
    }
}

/// Who each process says it is. A process is at first who its parent is.
#[derive(Debug, Default)]
pub(super) struct People {
    /// By number, and when the process of that number started: numbers are given again.
    known: BTreeMap<u32, (Option<u64>, Person)>,
}

impl People {
    pub(super) fn answer(&mut self, tracee: &Tracee<'_>, question: &Question) -> Answer {
        let mut person = self.of(tracee);
        let outcome = if libc::c_long::from(question.call) == KEEPING.call {
            person.keep(tracee, &question.arguments);
            Ok(Reply::Continue)
        } else {
            person.answer(tracee, question).map(Reply::Value)
        };
        if self.known.len() >= REMEMBERED {
            self.known.retain(|pid, _| family(*pid).is_some());
        }
        self.known.insert(tracee.process(), (started(tracee.process()), person));
        outcome
    }

    /// Who the process of a number is known to be; nobody if it was another process's number.
    fn living(&self, process: u32) -> Option<Person> {
        let (start, person) = self.known.get(&process)?;
        (*start == started(process)).then(|| person.clone())
    }

    /// Who a process is.
    pub(super) fn of(&self, tracee: &Tracee<'_>) -> Person {
        if let Some(person) = self.living(tracee.process()) {
            return person;
        }
        let mut parent = tracee.parent();
        for _ in 0..DEEPEST {
            if let Some(person) = self.living(parent) {
                return person;
            }
            match family(parent) {
                Some((_, next)) if next > 1 => parent = next,
                _ => break,
            }
        }
        Person::default()
    }
}

impl Person {
    /// The owner of what it makes.
    pub(super) fn makes(&self) -> (u32, u32) {
        (self.user.effective, self.group.effective)
    }

    /// The kernel's rule of giving files away: root may; an owner may give a file to a group of its own.
    pub(super) fn may_give(&self, old: (u32, u32), new: (u32, u32)) -> bool {
        let own = self.user.effective == old.0;
        let group = new.1 == old.1 || new.1 == self.group.effective || self.groups.contains(&new.1);
        self.user.effective == 0 || (own && new.0 == old.0 && group)
    }

    fn keep(&mut self, tracee: &Tracee<'_>, args: &[u64; 6]) {
        let asked = match args[0] as i32 {
            libc::PR_SET_KEEPCAPS => args[1] != 0,
            libc::PR_SET_SECUREBITS => args[1] & SECURE_BIT != 0,
            _ => return,
        };
        let keeps = asked && self.user.effective == 0;
        self.keeps = if keeps { tracee.program() } else { None };
    }

    fn answer(&mut self, tracee: &Tracee<'_>, question: &Question) -> Outcome {
        let args = &question.arguments;
        let number = |at: usize| args[at] as u32;
        let privileged = self.user.effective == 0;
        // Another program has no capability left. Only groups: of the users, giving up root is always final.
        let may_group = privileged || (self.keeps.is_some() && self.keeps == tracee.program());
        match libc::c_long::from(question.call) {
            libc::SYS_getuid => Ok(self.user.real.into()),
            libc::SYS_geteuid => Ok(self.user.effective.into()),
            libc::SYS_getgid => Ok(self.group.real.into()),
            libc::SYS_getegid => Ok(self.group.effective.into()),
            libc::SYS_getresuid => told(tracee, args, self.user),
            libc::SYS_getresgid => told(tracee, args, self.group),
            libc::SYS_setuid => self.user.set(number(0), privileged),
            libc::SYS_setgid => self.group.set(number(0), may_group),
            libc::SYS_setreuid => self.user.set_two(number(0), number(1), privileged),
            libc::SYS_setregid => self.group.set_two(number(0), number(1), may_group),
            libc::SYS_setresuid => self.user.set_three([number(0), number(1), number(2)], privileged),
            libc::SYS_setresgid => self.group.set_three([number(0), number(1), number(2)], may_group),
            // They return what was; nothing depends on them here.
            libc::SYS_setfsuid => Ok(self.user.effective.into()),
            libc::SYS_setfsgid => Ok(self.group.effective.into()),
            libc::SYS_getgroups => self.get_groups(tracee, number(0), args[1]),
            libc::SYS_setgroups if !may_group => Err(Errno::PERM),
            libc::SYS_setgroups if number(0) > GROUPS => Err(Errno::INVAL),
            libc::SYS_setgroups => {
                self.groups = tracee.numbers(args[1], number(0) as usize)?;
                // As the kernel keeps them, and tells them.
                self.groups.sort_unstable();
                Ok(0)
            }
            _ => Err(Errno::NOSYS),
        }
    }

    fn get_groups(&self, tracee: &Tracee<'_>, size: u32, address: u64) -> Outcome {
        let count = self.groups.len();
        if size != 0 {
            if (size as usize) < count {
                return Err(Errno::INVAL);
            }
            tracee.put(address, &self.groups)?;
        }
        Ok(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

fn told(tracee: &Tracee<'_>, args: &[u64; 6], three: Three) -> Outcome {
    for (&address, id) in args.iter().zip([three.real, three.effective, three.saved]) {
        tracee.put(address, &[id])?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Three = Three { real: 0, effective: 0, saved: 0 };
    const KEEP: u32 = u32::MAX;

    #[test]
    fn users_change_as_in_the_kernel() {
        let three = |real, effective, saved| Three { real, effective, saved };
        // Root gives up everything, and has no way back.
        let mut ids = ROOT;
        assert_eq!(ids.set(42, true), Ok(0));
        assert_eq!(ids, three(42, 42, 42));
        assert_eq!(ids.set(0, false), Err(Errno::PERM));
        assert_eq!(ids.set_two(KEEP, 0, false), Err(Errno::PERM));
        assert_eq!(ids.set_three([0, KEEP, KEEP], false), Err(Errno::PERM));
        // A saved id is a way back.
        let mut ids = ROOT;
        assert_eq!(ids.set_three([42, 42, KEEP], true), Ok(0));
        assert_eq!(ids, three(42, 42, 0));
        assert_eq!(ids.set(0, false), Ok(0));
        assert_eq!(ids, three(42, 0, 0));
        // setreuid: the saved id follows the effective one.
        let mut ids = ROOT;
        assert_eq!(ids.set_two(7, 8, true), Ok(0));
        assert_eq!(ids, three(7, 8, 8));
        assert_eq!(ids.set_two(8, 7, false), Ok(0));
        assert_eq!(ids, three(8, 7, 7));
    }
}
