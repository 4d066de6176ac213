//! What a command is told about the machine by calls: the constants of `crate::machine`.

use super::tracee::Tracee;
use crate::machine::{ARCHITECTURE, MEMORY, RELEASE, UPTIME, VERSION};
use crate::sys::{Question, Reply};

/// The calls that this module answers.
pub(super) const CALLS: &[libc::c_long] =
    &[libc::SYS_uname, libc::SYS_sysinfo, libc::SYS_sched_getaffinity, libc::SYS_sched_setaffinity];

/// Length of each text of `struct new_utsname`.
const TEXT: usize = 65;
/// Personality bits: programs of 32 bits, and an old version.
const PER_LINUX32: u32 = 0x0008;
const UNAME26: u32 = 0x0002_0000;
/// Longest set of processors that is read from a command.
const LONGEST: u64 = 8192 / 8;

/// The machine as commands are told of it.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// How many processors.
    pub(crate) cpus: u32,
    /// Its name.
    pub(crate) hostname: String,
}

pub(super) fn is_about(call: i32) -> bool {
    CALLS.contains(&libc::c_long::from(call))
}

impl Machine {
    pub(super) fn answer(&self, tracee: &Tracee<'_>, question: &Question) -> Reply {
        let [first, second, third, ..] = question.arguments;
        let call = libc::c_long::from(question.call);
        // Where the memory cannot be written, the kernel gives the error that belongs there.
        let told = |address: u64, bytes: &[u8], value: i64| match tracee.put_bytes(address, bytes) {
            Ok(()) => Reply::Value(value),
            Err(_) => Reply::Continue,
        };
        match call {
            libc::SYS_uname => told(first, &self.uname(tracee.personality()), 0),
            libc::SYS_sysinfo => told(first, &sysinfo(), 0),
            libc::SYS_sched_getaffinity => match self.set(second) {
                Some(set) => told(third, &set, i64::try_from(set.len()).unwrap_or(0)),
                None => Reply::Error(libc::EINVAL),
            },
            libc::SYS_sched_setaffinity => {
                let length = second.min(LONGEST);
                match tracee.bytes(third, usize::try_from(length).unwrap_or_default()) {
                    Ok(set) if self.has_one_of(&set) => Reply::Value(0),
                    Ok(_) => Reply::Error(libc::EINVAL),
                    Err(_) => Reply::Error(libc::EFAULT),
                }
            }
            _ => Reply::Continue,
        }
    }

    /// `struct new_utsname`.
    fn uname(&self, personality: u32) -> Vec<u8> {
        let old;
        let release = if personality & UNAME26 == 0 {
            RELEASE
        } else {
            // As the kernel does: 6.1 is called 2.6.61.
            old = RELEASE.replacen("6.1.0", "2.6.61", 1);
            &old
        };
        let narrow = personality & 0xff == PER_LINUX32;
        let machine = if narrow { ARCHITECTURE.1 } else { ARCHITECTURE.0 };
        let mut all = Vec::with_capacity(6 * TEXT);
        for text in ["Linux", &self.hostname, release, VERSION, machine, "(none)"] {
            let bytes = text.as_bytes();
            let length = bytes.len().min(TEXT - 1);
            all.extend_from_slice(&bytes[..length]);
            all.resize(all.len() + TEXT - length, 0);
        }
        all
    }

    /// The set of all processors, in as much memory as the kernel would use; `None` if that is more than there is.
    fn set(&self, space: u64) -> Option<Vec<u8>> {
        let word = u64::from(u64::BITS / 8);
        let needed = u64::from(self.cpus.div_ceil(u64::BITS)) * word;
        if space < needed || !space.is_multiple_of(word) {
            return None;
        }
        let words = (0..needed / word).map(|at| {
            let left = u64::from(self.cpus) - at * u64::from(u64::BITS);
            if left >= u64::from(u64::BITS) { u64::MAX } else { (1 << left) - 1 }
        });
        Some(words.flat_map(u64::to_ne_bytes).collect())
    }

    /// True if a set has a processor that there is.
    fn has_one_of(&self, set: &[u8]) -> bool {
        let all = self.set(LONGEST).unwrap_or_default();
        set.iter().zip(all).any(|(one, two)| one & two != 0)
    }
}

/// `struct sysinfo` of 64-bit programs.
fn sysinfo() -> Vec<u8> {
    let [total, free, _] = MEMORY.map(|kib| kib * 1024);
    let buffers = 0;
    let mut all = UPTIME.to_ne_bytes().to_vec();
    // Three loads, memory: all, free, shared, buffers; swap: all, free.
    for number in [0, 0, 0, total, free, 0, buffers, 0, 0u64] {
        all.extend_from_slice(&number.to_ne_bytes());
    }
    // Processes, and padding.
    all.extend_from_slice(&[1u16, 0, 0, 0].map(u16::to_ne_bytes).concat());
    // High memory: all, free; then the unit, and padding.
    all.extend_from_slice(&[0u64, 0].map(u64::to_ne_bytes).concat());
    all.extend_from_slice(&[1u32, 0].map(u32::to_ne_bytes).concat());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(cpus: u32) -> Machine {
        Machine { cpus, hostname: "here".to_owned() }
    }

    #[test]
    fn structures_are_as_long_as_the_kernels() {
        assert_eq!(sysinfo().len(), size_of::<libc::sysinfo>());
        assert_eq!(machine(4).uname(0).len(), size_of::<libc::utsname>());
        let long = Machine { cpus: 4, hostname: "x".repeat(100) };
        assert_eq!(long.uname(0).len(), size_of::<libc::utsname>());
    }

    #[test]
    fn sets_of_processors() {
        assert_eq!(machine(4).set(128), Some(vec![15, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(machine(64).set(8), Some(vec![255; 8]));
        assert_eq!(machine(65).set(16).unwrap()[8..], [1, 0, 0, 0, 0, 0, 0, 0]);
        for (cpus, space) in [(4, 0), (4, 7), (4, 12), (65, 8)] {
            assert_eq!(machine(cpus).set(space), None, "{cpus} {space}");
        }
        assert!(machine(4).has_one_of(&[8, 0]));
        assert!(!machine(4).has_one_of(&[16, 255]));
        assert!(!machine(4).has_one_of(&[]));
    }

    #[test]
    fn personalities() {
        let text = |personality, at: usize| {
            let all = machine(4).uname(personality);
            let field = &all[at * TEXT..(at + 1) * TEXT];
            String::from_utf8(field.iter().copied().take_while(|&byte| byte != 0).collect()).unwrap()
        };
        assert_eq!(text(0, 1), "here");
        assert_eq!(text(0, 2), "6.1.0-imgc");
        assert_eq!(text(UNAME26, 2), "2.6.61-imgc");
        assert_eq!(text(0, 4), ARCHITECTURE.0);
        assert_eq!(text(0x0004_0008, 4), ARCHITECTURE.1);
    }
}
