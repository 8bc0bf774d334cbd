//! Width and height of a picture, from its header.

/// `None` when the bytes are not a PNG, JPEG, GIF, BMP or WebP picture.
pub(crate) fn dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some((big_u32(bytes, 16)?, big_u32(bytes, 20)?)),
        [b'G', b'I', b'F', b'8', ..] => Some((little_u16(bytes, 6)?.into(), little_u16(bytes, 8)?.into())),
        [b'B', b'M', ..] => Some((little_u32(bytes, 18)?, little_u32(bytes, 22)?)),
        [0xFF, 0xD8, ..] => jpeg(bytes),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp(bytes),
        _ => None,
    }
}

fn at<const N: usize>(bytes: &[u8], start: usize) -> Option<[u8; N]> {
    bytes.get(start..start.checked_add(N)?)?.try_into().ok()
}

fn big_u32(bytes: &[u8], start: usize) -> Option<u32> {
    at(bytes, start).map(u32::from_be_bytes)
}

fn little_u32(bytes: &[u8], start: usize) -> Option<u32> {
    at(bytes, start).map(u32::from_le_bytes)
}

fn little_u16(bytes: &[u8], start: usize) -> Option<u16> {
    at(bytes, start).map(u16::from_le_bytes)
}

/// Walks the segments to the frame header, which alone knows the size.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut position = 2;
    loop {
        let [mark, kind] = at(bytes, position)?;
        if mark != 0xFF {
            return None;
        }
        let length = usize::from(u16::from_be_bytes(at(bytes, position + 2)?));
        // C4, C8 and CC share the range of the frame headers but are tables.
        if matches!(kind, 0xC0..=0xCF) && !matches!(kind, 0xC4 | 0xC8 | 0xCC) {
            let height = u16::from_be_bytes(at(bytes, position + 5)?);
            let width = u16::from_be_bytes(at(bytes, position + 7)?);
            return Some((width.into(), height.into()));
        }
        position += 2 + length.max(2);
    }
}

fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes.get(12..16)? {
        b"VP8X" => {
            let three = |start| at::<3>(bytes, start).map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]) + 1);
            Some((three(24)?, three(27)?))
        }
        b"VP8L" => {
            let packed = little_u32(bytes, 21)?;
            Some(((packed & 0x3FFF) + 1, ((packed >> 14) & 0x3FFF) + 1))
        }
        b"VP8 " => Some((u32::from(little_u16(bytes, 26)? & 0x3FFF), u32::from(little_u16(bytes, 28)? & 0x3FFF))),
        _ => None,
    }
}
