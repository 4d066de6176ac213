//! Every case a second time, where all that must not matter is different: an empty store, another directory, later files,
//! another user without root, umask, time zone, locale and number of jobs.

use std::path::Path;
use std::process::Command;

use imgc_testkit::{Done, Place, peer};

use super::context;
use super::table::Case;

/// Who builds there.
const NOBODY: &str = "65534";
/// The ids lent to that user, in the form of `/etc/subuid`.
const RANGE: &str = "65534:200000:65536\n";
/// Shows the range to `newuidmap` in a mount namespace of its own, then becomes that user.
const ANOTHER_USER: &str =
    "mount --bind range /etc/subuid && mount --bind range /etc/subgid && cd \"$DIR\" && umask 077 &&
    exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"";

/// The other place.
pub(super) struct Elsewhere {
    place: Place,
    another_user: bool,
}

impl Elsewhere {
    /// A place with the busybox image of `first` in a store of its own.
    pub(super) fn new(test: &str, first: &Place) -> Self {
        let able = peer::is_root() && peer::need(test, ["setpriv", "unshare", "newuidmap"]).is_some();
        let mut elsewhere = Self { place: crate::place(), another_user: able };
        let place = &elsewhere.place;
        // The way to the program must be open to the other user.
        for (from, to) in [(first.path("busybox.tar"), "busybox.tar"), (place.program().to_owned(), "imgc")] {
            fs_err::copy(from, place.path(to)).expect("a copy");
        }
        place.write("range", RANGE);
        let dir = place.path("");
        elsewhere.own(&dir);
        let import = super::words(&["import", "busybox.tar", "busybox", "--env", "PATH=/bin:/usr/bin"]);
        let done = elsewhere.imgc(&dir, &import);
        if done.code != 0 && elsewhere.another_user {
            peer::skipped(test, &format!("another user cannot build here: {}", done.stderr));
            elsewhere.another_user = false;
            elsewhere.imgc(&dir, &import).ok();
        }
        elsewhere
    }

    /// What is wrong if a case does not give this digest here too.
    pub(super) fn check(&self, case: &Case, args: &[String], expected: &str) -> Option<String> {
        let dir = self.place.path(format!("another place/{}", case.name));
        if !context::write(case, &dir) {
            return None;
        }
        for (number, (_, text)) in case.images.iter().enumerate() {
            fs_err::write(dir.join(format!("Dockerfile.{number}")), text).expect("a Dockerfile");
        }
        fs_err::write(dir.join("Dockerfile"), &case.dockerfile).expect("a Dockerfile");
        self.own(&self.place.path("another place"));
        context::set_modes(case, &dir);
        let build = |args: &[String]| {
            self.imgc(&dir, &[super::words(&["build", "-q", "-j", "1"]), args.to_vec()].concat())
        };
        for (number, (name, _)) in case.images.iter().enumerate() {
            let done = build(&super::words(&["-t", name, "-f", &format!("Dockerfile.{number}"), "ctx"]));
            if done.code != 0 {
                return Some(format!("{name} elsewhere: exit code {}\n{}", done.code, done.stderr));
            }
        }
        let done = build(args);
        fs_err::remove_dir_all(&dir).expect("a directory");
        if done.code != 0 {
            return Some(format!("elsewhere: exit code {}\n{}", done.code, done.stderr));
        }
        let digest = done.stdout.trim();
        (digest != expected).then(|| format!("{digest} elsewhere, {expected} here"))
    }

    /// Gives a directory to the user who builds here.
    fn own(&self, dir: &Path) {
        if self.another_user {
            peer::run(Command::new("chown").arg("-hR").arg(format!("{NOBODY}:{NOBODY}")).arg(dir));
        }
    }

    fn imgc(&self, dir: &Path, args: &[String]) -> Done {
        let plain = self.place.command();
        let mut command = Command::new(if self.another_user { "unshare" } else { "sh" });
        command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("TZ", "Pacific/Kiritimati").env("LANG", "tr_TR.UTF-8").env("DIR", dir);
        command.current_dir(self.place.path(""));
        if self.another_user {
            command.args(["--mount", "sh", "-c", ANOTHER_USER, "sh"]);
        } else {
            command.args(["-c", "umask 077; cd \"$DIR\" && exec \"$@\"", "sh"]);
        }
        command.arg(self.place.path("imgc")).args(args);
        Done::of(&command.output().expect("the program starts"))
    }
}
