//! Ranges of user and group ids: `/etc/subuid`, `/proc/self/uid_map`, and what is written to a map.

use std::fmt::Write as _;

/// A run of ids: `count` ids from `inside` on are `outside` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) inside: u32,
    pub(crate) outside: u32,
    pub(crate) count: u32,
}

/// Reads `/etc/subuid` or `/etc/subgid`: the ranges of a user, by name or number.
pub(crate) fn subordinate(text: &str, name: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    let number = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().splitn(3, ':');
            let owner = fields.next()?;
            let start: u32 = fields.next()?.trim().parse().ok()?;
            let count: u32 = fields.next()?.trim().parse().ok()?;
            let mine = owner == number || name == Some(owner);
            (mine && count > 0 && start.checked_add(count).is_some()).then_some((start, count))
        })
        .collect()
}

/// The user's own id as 0 and subordinate ids from 1 on.
pub(crate) fn with_subordinate(own: u32, ranges: &[(u32, u32)]) -> Vec<Range> {
    let mut all = vec![Range { inside: 0, outside: own, count: 1 }];
    let mut next = 1u32;
    for &(start, count) in ranges {
        let count = count.min(u32::MAX - 1 - next);
        if count == 0 {
            break;
        }
        all.push(Range { inside: next, outside: start, count });
        next += count;
    }
    all
}

/// Reads a map of the kernel (`/proc/PID/uid_map`).
pub(crate) fn parse_map(text: &str) -> Vec<Range> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace().map(str::parse);
            let mut next = || fields.next()?.ok();
            Some(Range { inside: next()?, outside: next()?, count: next()? })
        })
        .collect()
}

/// The map that gives a namespace below this one the same ids.
pub(crate) fn identity(map: &[Range]) -> String {
    let mut text = String::new();
    for range in map {
        let _ = writeln!(text, "{} {} {}", range.inside, range.inside, range.count);
    }
    text
}

/// How many ids a map has.
pub(crate) fn size(map: &[Range]) -> u64 {
    map.iter().map(|range| u64::from(range.count)).sum()
}

/// True if an id exists inside.
pub(crate) fn contains(map: &[Range], id: u32) -> bool {
    map.iter().any(|range| id >= range.inside && id - range.inside < range.count)
}

/// True for the map of the machine's first namespace.
pub(crate) fn is_whole(map: &[Range]) -> bool {
    matches!(map, [Range { inside: 0, outside: 0, count: u32::MAX }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_ranges_by_name_and_number() {
        let text = "# comment\nme:100000:65536\nyou:165536:65536\n1000:300000:10\nme:bad:1\nme:1:0\nme:4294967295:9\n";
        assert_eq!(subordinate(text, Some("me"), 1000), [(100_000, 65536), (300_000, 10)]);
        assert_eq!(subordinate(text, None, 7), []);
        assert_eq!(subordinate(text, Some("m"), 100), []);
    }

    #[test]
    fn maps() {
        let map = with_subordinate(1000, &[(100_000, 65536), (300_000, 10)]);
        assert_eq!(identity(&map), "0 0 1\n1 1 65536\n65537 65537 10\n");
        assert_eq!(size(&map), 65547);
        assert!(contains(&map, 65546) && !contains(&map, 65547));
        assert!(is_whole(&parse_map("         0          0 4294967295\n")));
        assert!(!is_whole(&parse_map("0 1000 1\n")));
        assert_eq!(with_subordinate(0, &[(1, u32::MAX - 1), (5, 5)]).len(), 2);
    }
}
