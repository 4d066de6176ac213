//! The system call filter: which calls a command may not make, as a classic BPF program.
//!
//! Written as what is refused: every call that this table's kernel knows and that is not refused is allowed, newer
//! ones do not exist (`ENOSYS`, so that programs fall back). The refused calls are those that moby's default profile
//! refuses to a process without `CAP_SYS_ADMIN` and kin; `spec/sandbox.md` lists the differences.

use crate::sys::Instruction;

/// What a filter says about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Allow,
    Errno(i32),
    Kill,
    Ask,
}

impl Answer {
    fn value(self) -> u32 {
        match self {
            Self::Allow => 0x7fff_0000,
            Self::Errno(errno) => 0x0005_0000 | errno.unsigned_abs(),
            Self::Kill => 0x8000_0000,
            Self::Ask => 0x7fc0_0000,
        }
    }
}

/// `AUDIT_ARCH_*`.
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

/// The newest call that this table knows (`removexattrat`, Linux 6.13).
const NEWEST: u32 = 466;

/// The same number everywhere.
const CLONE3: u32 = 435;
/// Namespaces: `CLONE_NEW*` without `CLONE_NEWTIME`, which `clone` cannot ask for.
const CLONE_NEW: u32 = 0x7e02_0000;
/// Socket families with a bad record: `AF_ALG`, `AF_VSOCK`.
const NO_FAMILIES: &[u32] = &[38, 40];
/// Personalities that moby allows, besides `ADDR_NO_RANDOMIZE`, which commands have already.
const PERSONALITIES: &[u32] = &[0, 0x0008, 0x0002_0000, 0x0002_0008];
const ADDR_NO_RANDOMIZE: u32 = 0x0004_0000;

/// The calls of one kind of program that are not simply allowed.
struct Table {
    refused: Vec<u32>,
    clone: u32,
    socket: u32,
    personality: u32,
}

fn native() -> Table {
    Table {
        refused: REFUSED.iter().chain(REFUSED_HERE).map(|&call| number(call)).chain(REFUSED_NEW).collect(),
        clone: number(libc::SYS_clone),
        socket: number(libc::SYS_socket),
        personality: number(libc::SYS_personality),
    }
}

/// The same for 32-bit programs of this processor. Their `socketcall` (102) has its arguments in memory, where a
/// filter cannot look.
#[cfg(target_arch = "x86_64")]
fn foreign() -> (u32, Table) {
    let table = Table { refused: REFUSED_I386.to_vec(), clone: 120, socket: 359, personality: 136 };
    (0x4000_0003, table)
}

/// A call's number as filters see it.
fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

/// Refused with `EPERM`.
const REFUSED: &[libc::c_long] = &[
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    // Keys, programs in the kernel, and other large doors.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    // The machine itself.
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    KEXEC_FILE_LOAD,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    // Other processes and their memory.
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_mbind,
    libc::SYS_set_mempolicy,
    libc::SYS_get_mempolicy,
];

/// Not every C library has a name for it.
#[cfg(target_arch = "x86_64")]
const KEXEC_FILE_LOAD: libc::c_long = 320;
#[cfg(target_arch = "aarch64")]
const KEXEC_FILE_LOAD: libc::c_long = 294;

/// Refused with `EPERM` on this processor only.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
];
#[cfg(target_arch = "aarch64")]
const REFUSED_HERE: &[libc::c_long] = &[];

/// `set_mempolicy_home_node`, `lsm_get_self_attr` and its two neighbours have the same number everywhere.
const REFUSED_NEW: [u32; 4] = [450, 459, 460, 461];

/// What `REFUSED` and its kin are called by 32-bit programs (`asm/unistd_32.h`), and `vm86`, which only they have.
#[cfg(target_arch = "x86_64")]
const REFUSED_I386: &[u32] = &[
    21, 22, 52, 217, 310, 346, 430, 431, 432, 433, 428, 429, 442, 342, // mounts and namespaces
    286, 287, 288, 357, 336, 374, 425, 426, 427, 338, 253, // keys and other large doors
    88, 283, 128, 350, 129, 51, 87, 115, 103, 131, 443, 79, 25, 264, 404, 74, 121, 111,
    169, // the machine
    349, 438, 440, 317, 294, 274, 276, 275, 450, 459, 460, 461, // other processes and their memory
    110, 101, 86, 62, 135, 149, 127, 130, 167, 166, 113, // old ones
];

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
/// The low half of the first argument.
const FIRST: u32 = 16;

const LOAD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_ANY_BIT: u16 = 0x45;
const JUMP: u16 = 0x05;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

#[derive(Default)]
struct Filter(Vec<Instruction>);

impl Filter {
    fn push(&mut self, code: u16, value: u32, jump_true: u8, jump_false: u8) {
        self.0.push(Instruction { code, jump_true, jump_false, value });
    }

    fn load(&mut self, offset: u32) {
        self.push(LOAD, offset, 0, 0);
    }

    fn answer(&mut self, answer: Answer) {
        self.push(RETURN, answer.value(), 0, 0);
    }

    /// If the loaded value is `value`, the answer is this.
    fn if_equal(&mut self, value: u32, answer: Answer) {
        self.push(JUMP_EQUAL, value, 0, 1);
        self.answer(answer);
    }

    /// What is done if the loaded value is this; the branch must end in an answer.
    fn branch(&mut self, value: u32, branch: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        branch(&mut inner);
        self.push(JUMP_EQUAL, value, 1, 0);
        // A jump of any length: a conditional one reaches 255 instructions.
        self.push(JUMP, u32::try_from(inner.0.len()).unwrap_or(u32::MAX), 0, 0);
        self.0.append(&mut inner.0);
    }

    /// Decides over every call of a table.
    fn calls(&mut self, table: &Table) {
        const EPERM: Answer = Answer::Errno(libc::EPERM);
        const ENOSYS: Answer = Answer::Errno(libc::ENOSYS);
        self.load(NUMBER);
        // Also all of x32, whose numbers have bit 30 set.
        self.push(JUMP_GREATER, NEWEST, 0, 1);
        self.answer(ENOSYS);
        for &call in &table.refused {
            self.if_equal(call, EPERM);
        }
        // Its flags are in memory, where a filter cannot look: programs fall back to clone.
        self.if_equal(CLONE3, ENOSYS);
        self.branch(table.clone, |then| {
            then.load(FIRST);
            then.push(JUMP_ANY_BIT, CLONE_NEW, 0, 1);
            then.answer(EPERM);
            then.answer(Answer::Allow);
        });
        self.branch(table.socket, |then| {
            then.load(FIRST);
            for &family in NO_FAMILIES {
                then.if_equal(family, Answer::Errno(libc::EAFNOSUPPORT));
            }
            then.answer(Answer::Allow);
        });
        self.branch(table.personality, |then| {
            then.load(FIRST);
            then.if_equal(u32::MAX, Answer::Allow);
            then.push(AND, !ADDR_NO_RANDOMIZE, 0, 0);
            for &personality in PERSONALITIES {
                then.if_equal(personality, Answer::Allow);
            }
            then.answer(EPERM);
        });
        self.answer(Answer::Allow);
    }
}

/// The filter of a locked-in command.
pub(crate) fn filter() -> Vec<Instruction> {
    let mut filter = Filter::default();
    filter.load(ARCHITECTURE);
    filter.branch(ARCH, |then| then.calls(&native()));
    #[cfg(target_arch = "x86_64")]
    {
        let (architecture, table) = foreign();
        filter.branch(architecture, |then| then.calls(&table));
    }
    filter.answer(Answer::Kill);
    filter.0
}

/// A call that a filter asks about: always, or if an argument has one of some bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) call: libc::c_long,
    pub(crate) bits: Option<(u32, u32)>,
}

/// A filter that asks about some calls and allows the others, and all of 32-bit programs.
pub(crate) fn asking(calls: &[Asked]) -> Vec<Instruction> {
    let mut filter = Filter::default();
    filter.load(ARCHITECTURE);
    filter.branch(ARCH, |then| {
        then.load(NUMBER);
        for asked in calls {
            let Some((argument, bits)) = asked.bits else {
                then.if_equal(number(asked.call), Answer::Ask);
                continue;
            };
            then.branch(number(asked.call), |then| {
                then.load(FIRST + 8 * argument);
                then.push(JUMP_ANY_BIT, bits, 0, 1);
                then.answer(Answer::Ask);
                then.answer(Answer::Allow);
            });
        }
        then.answer(Answer::Allow);
    });
    filter.answer(Answer::Allow);
    filter.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a filter over a call as the kernel would.
    fn run(filter: &[Instruction], arch: u32, number: u32, first: u32) -> u32 {
        let (mut at, mut loaded) = (0, 0);
        loop {
            let Instruction { code, jump_true, jump_false, value } = filter[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { jump_true } else { jump_false });
            match code {
                LOAD => {
                    loaded = match value {
                        NUMBER => number,
                        ARCHITECTURE => arch,
                        FIRST => first,
                        other => panic!("load of {other}"),
                    }
                }
                AND => loaded &= value,
                RETURN => return value,
                JUMP => at += value as usize,
                JUMP_EQUAL => at += jump(loaded == value),
                JUMP_GREATER => at += jump(loaded > value),
                JUMP_ANY_BIT => at += jump(loaded & value != 0),
                other => panic!("instruction {other}"),
            }
        }
    }

    #[test]
    fn answers() {
        let filter = filter();
        assert!(filter.len() < 4096);
        let allow = Answer::Allow;
        let errno = Answer::Errno;
        for (call, first, want) in [
            (libc::SYS_read, 0, allow),
            (libc::SYS_execve, 0, allow),
            (libc::SYS_chroot, 0, allow),
            (libc::SYS_ptrace, 0, allow),
            (libc::SYS_mount, 0, errno(libc::EPERM)),
            (libc::SYS_keyctl, 0, errno(libc::EPERM)),
            (libc::SYS_bpf, 0, errno(libc::EPERM)),
            (libc::SYS_clone3, 0, errno(libc::ENOSYS)),
            (libc::SYS_clone, libc::SIGCHLD.unsigned_abs(), allow),
            (libc::SYS_clone, libc::CLONE_NEWUSER.unsigned_abs(), errno(libc::EPERM)),
            (libc::SYS_clone, libc::CLONE_NEWNS.unsigned_abs(), errno(libc::EPERM)),
            (libc::SYS_socket, 2, allow),
            (libc::SYS_socket, 38, errno(libc::EAFNOSUPPORT)),
            (libc::SYS_socket, 40, errno(libc::EAFNOSUPPORT)),
            (libc::SYS_personality, u32::MAX, allow),
            (libc::SYS_personality, 0x0004_0008, allow),
            (libc::SYS_personality, 0x0040_0000, errno(libc::EPERM)),
            (467, 0, errno(libc::ENOSYS)),
            (0x4000_0001, 0, errno(libc::ENOSYS)),
        ] {
            assert_eq!(
                run(&filter, ARCH, u32::try_from(call).unwrap(), first),
                want.value(),
                "{call} {first}"
            );
        }
    }

    #[test]
    fn every_refused_call_is_refused() {
        let filter = filter();
        for &call in &native().refused {
            assert_eq!(run(&filter, ARCH, call, 0), Answer::Errno(libc::EPERM).value(), "{call}");
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn programs_for_other_processors() {
        const I386: u32 = 0x4000_0003;
        const MIPS: u32 = 8;
        let filter = filter();
        let errno = |errno| Answer::Errno(errno).value();
        // A number means another call there: 21 is mount, not access.
        assert_eq!(run(&filter, I386, 21, 0), errno(libc::EPERM));
        assert_eq!(run(&filter, ARCH, 21, 0), Answer::Allow.value());
        assert_eq!(run(&filter, I386, 165, 0), Answer::Allow.value());
        assert_eq!(run(&filter, I386, 120, libc::CLONE_NEWUSER.unsigned_abs()), errno(libc::EPERM));
        assert_eq!(run(&filter, I386, 435, 0), errno(libc::ENOSYS));
        assert_eq!(run(&filter, I386, 359, 38), errno(libc::EAFNOSUPPORT));
        for &call in REFUSED_I386 {
            assert_eq!(run(&filter, I386, call, 0), errno(libc::EPERM), "{call}");
        }
        assert_eq!(run(&filter, MIPS, 0, 0), Answer::Kill.value());
        let asking = asking(&[
            Asked { call: libc::SYS_socket, bits: Some((0, 6)) },
            Asked { call: libc::SYS_getuid, bits: None },
        ]);
        assert_eq!(run(&asking, ARCH, 102, 0), Answer::Ask.value());
        assert_eq!(run(&asking, ARCH, 41, 2), Answer::Ask.value());
        assert_eq!(run(&asking, ARCH, 41, 8), Answer::Allow.value());
        assert_eq!(run(&asking, ARCH, 0, 0), Answer::Allow.value());
        assert_eq!(run(&asking, I386, 102, 0), Answer::Allow.value());
    }
}
