//! Which files of an operator go to the messenger in one frame.

use crate::domain::capabilities::Capabilities;

/// How many parts go with each one: 1 by itself, more as an album, 0 with one before it. What is known of each part: the kind of
/// album that it may stand in, and its size. An album is no larger than the largest file, because it is one call.
pub fn counts(parts: &[Option<(&str, u64)>], can: Capabilities) -> Vec<usize> {
    let mut counts = vec![1; parts.len()];
    let (mut first, mut whole) = (0, 0);
    for (at, part) in parts.iter().enumerate() {
        let before = parts.get(first).copied().flatten().filter(|_| at > first);
        let fits = match (before, part) {
            (Some((kind, _)), Some((own, size))) => {
                kind == *own && at - first < can.album && whole + size <= can.upload_limit
            }
            _other => false,
        };
        let size = part.map_or(0, |(_, size)| size);
        if fits {
            whole += size;
            if let Some(count) = counts.get_mut(at) {
                *count = 0;
            }
            if let Some(count) = counts.get_mut(first) {
                *count += 1;
            }
        } else {
            (first, whole) = (at, size);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messaging::embedded::telegram_bot::CAPABILITIES as CAN;

    #[test]
    fn files_of_one_kind_go_together_as_far_as_one_call_takes_them() {
        let can = Capabilities { album: 3, upload_limit: 10, ..CAN };
        let (seen, file) = (|size| Some(("visual", size)), |size| Some(("document", size)));
        assert_eq!(counts(&[None, seen(1), seen(1), file(1), seen(1)], can), [1, 2, 0, 1, 1]);
        assert_eq!(counts(&[seen(1); 7], can), [3, 0, 0, 3, 0, 0, 1]);
        assert_eq!(counts(&[file(6), file(4), file(1)], can), [2, 0, 1]);
        assert_eq!(counts(&[file(1), None, file(1)], can), [1, 1, 1]);
        assert_eq!(counts(&[seen(1); 2], Capabilities { album: 0, ..can }), [1, 1]);
    }
}
