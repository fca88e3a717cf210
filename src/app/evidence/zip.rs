//! The ZIP archive that a bundle is (PKWARE APPNOTE 6.3.10 §4.3), and nothing more of ZIP.
//!
//! Always true: [`read`] takes exactly what [`write`] makes. It takes an archive apart, puts
//! it together again from its parts and compares the bytes; so there is no gap, comment,
//! extra field, second header or overlap in which something could hide, and no two
//! programs see different files in it. Nothing is inflated before somebody says how long
//! it must be ([`unpack`]).
//!
//! Why not a library: those that there are read what others wrote, and so allow all of
//! that; and one that writes another header in its next version would make every bundle
//! "altered". Deflate itself is flate2's.

use std::ops::Range;

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};
use time::OffsetDateTime;

use crate::base::clock::Timestamp;

/// How many files an archive may hold.
pub const MAX_FILES: usize = 256;
/// How long one file may be, unpacked.
pub const MAX_FILE: usize = 128 << 20;
/// How long an archive may be.
pub const MAX_ARCHIVE: usize = 256 << 20;
/// How many times longer a file may be than as packed: what packs better is stored.
const MAX_RATIO: usize = 100;

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const LOCAL_LENGTH: usize = 30;
const CENTRAL_LENGTH: usize = 46;
const END_LENGTH: usize = 22;
/// "Made by" UNIX, version 2.0; a file that its owner alone may read and write.
const MADE_BY: u16 = 0x0314;
const NEEDED: u16 = 20;
const MODE: u32 = 0o100_600 << 16;

/// Whether a file may be packed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Packing {
    /// As it is: what is read before anything is believed.
    Stored,
    /// Deflate, where that helps.
    Deflate,
}

/// A file as it lies in an archive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packed<'a> {
    /// Its name, with `/` between folders.
    pub name: &'a str,
    method: u16,
    crc: u32,
    size: u32,
    /// The bytes as they lie there.
    pub data: &'a [u8],
}

impl Packed<'_> {
    /// Whether its bytes lie there as they are.
    pub fn is_stored(&self) -> bool {
        self.method == 0
    }
}

/// The bytes of a file as they will lie in an archive.
#[derive(Debug)]
pub struct Parcel {
    method: u16,
    crc: u32,
    size: u32,
    /// The bytes.
    pub data: Vec<u8>,
}

/// Why something cannot be put into an archive.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Over a limit.
    #[error("the bundle would be longer than an archive may be ({limit} bytes for {what})")]
    TooLong {
        /// A file's name, or "all".
        what: String,
        /// The limit.
        limit: usize,
    },
    /// A name that another system could take for something else.
    #[error("“{0}” is no name for a file in a bundle")]
    Name(String),
}

/// Why bytes are no archive of ours.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// It does not begin as one.
    #[error("this is no ZIP archive")]
    NotZip,
    /// Over a limit.
    #[error("it is longer, or holds more files, than a bundle may")]
    TooMuch,
    /// Something of the structure is not as a bundle's.
    #[error("{0}")]
    Structure(String),
}

fn broken(text: impl Into<String>) -> ReadError {
    ReadError::Structure(text.into())
}

/// Whether a name is plain: parts of letters, digits, `.`, `_` and `-`, none of which begins
/// with a dot. No other system reads anything else into such a one.
pub fn is_plain(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    name.len() <= 100 && name.split('/').count() <= 2 && name.split('/').all(plain)
}

/// Packs the bytes of a file.
pub fn pack(name: &str, bytes: &[u8], packing: Packing) -> Result<Parcel, PackError> {
    let too_long = || PackError::TooLong {
        what: name.to_owned(),
        limit: MAX_FILE,
    };
    if bytes.len() > MAX_FILE {
        return Err(too_long());
    }
    let size = u32::try_from(bytes.len()).map_err(|_| too_long())?;
    let mut crc = Crc::new();
    crc.update(bytes);
    let deflated = match packing {
        Packing::Stored => None,
        Packing::Deflate => deflate(bytes).filter(|packed| {
            packed.len() < bytes.len() && bytes.len() <= packed.len().saturating_mul(MAX_RATIO)
        }),
    };
    let (method, data) = match deflated {
        Some(packed) => (8, packed),
        None => (0, bytes.to_vec()),
    };
    Ok(Parcel {
        method,
        crc: crc.sum(),
        size,
        data,
    })
}

fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut packed = Vec::with_capacity(bytes.len() + 64);
    let done = Compress::new(Compression::best(), false)
        .compress_vec(bytes, &mut packed, FlushCompress::Finish)
        .ok()?;
    (done == Status::StreamEnd).then_some(packed)
}

impl Parcel {
    /// The parcel under its name.
    pub fn named<'a>(&'a self, name: &'a str) -> Packed<'a> {
        Packed {
            name,
            method: self.method,
            crc: self.crc,
            size: self.size,
            data: &self.data,
        }
    }
}

/// Date and time as ZIP has them, in UTC; they count in steps of two seconds from 1980.
fn dos_time(at: Timestamp) -> u32 {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(at.as_secs()) else {
        return 0;
    };
    let years = u32::try_from(at.year() - 1980).unwrap_or(0).min(127);
    let date = years << 9 | u32::from(u8::from(at.month())) << 5 | u32::from(at.day());
    let time =
        u32::from(at.hour()) << 11 | u32::from(at.minute()) << 5 | (u32::from(at.second()) / 2);
    date << 16 | time
}

/// Puts files together to an archive; all of them have the time `at`.
pub fn write(files: &[Packed<'_>], at: Timestamp) -> Result<Vec<u8>, PackError> {
    if let Some(file) = files.iter().find(|file| !is_plain(file.name)) {
        return Err(PackError::Name(file.name.to_owned()));
    }
    let too_long = || PackError::TooLong {
        what: "all".to_owned(),
        limit: MAX_ARCHIVE,
    };
    if files.len() > MAX_FILES {
        return Err(too_long());
    }
    put_together(files, dos_time(at)).ok_or_else(too_long)
}

/// `None` if it gets too long.
fn put_together(files: &[Packed<'_>], time: u32) -> Option<Vec<u8>> {
    let length: usize = files
        .iter()
        .map(|file| file.data.len() + 2 * file.name.len() + LOCAL_LENGTH + CENTRAL_LENGTH)
        .sum();
    if length + END_LENGTH > MAX_ARCHIVE {
        return None;
    }
    let mut archive = Vec::with_capacity(length + END_LENGTH);
    let mut directory = Vec::new();
    for file in files {
        let offset = u32::try_from(archive.len()).ok()?;
        let header = common_header(file, time)?;
        archive.extend(LOCAL);
        archive.extend(&header);
        archive.extend(0_u16.to_le_bytes()); // no extra field
        archive.extend(file.name.as_bytes());
        archive.extend(file.data);
        directory.extend(CENTRAL);
        directory.extend(MADE_BY.to_le_bytes());
        directory.extend(&header);
        // No extra field, no comment, disk 0, no inner attributes.
        directory.extend([0; 8]);
        directory.extend(MODE.to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(file.name.as_bytes());
    }
    let offset = u32::try_from(archive.len()).ok()?;
    let count = u16::try_from(files.len()).ok()?;
    let directory_length = u32::try_from(directory.len()).ok()?;
    archive.extend(directory);
    archive.extend(END);
    archive.extend([0; 4]); // disk 0, which has the directory
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend(directory_length.to_le_bytes());
    archive.extend(offset.to_le_bytes());
    archive.extend(0_u16.to_le_bytes()); // no comment
    Some(archive)
}

/// What both headers of a file say, from "version needed" to the length of its name.
fn common_header(file: &Packed<'_>, time: u32) -> Option<Vec<u8>> {
    let mut header = Vec::with_capacity(26);
    header.extend(NEEDED.to_le_bytes());
    header.extend(0_u16.to_le_bytes()); // no flags
    header.extend(file.method.to_le_bytes());
    header.extend(time.to_le_bytes());
    header.extend(file.crc.to_le_bytes());
    header.extend(u32::try_from(file.data.len()).ok()?.to_le_bytes());
    header.extend(file.size.to_le_bytes());
    header.extend(u16::try_from(file.name.len()).ok()?.to_le_bytes());
    Some(header)
}

/// Takes an archive apart. Whatever [`write`] would have written otherwise is an error.
pub fn read(archive: &[u8]) -> Result<Vec<Packed<'_>>, ReadError> {
    if archive.len() > MAX_ARCHIVE {
        return Err(ReadError::TooMuch);
    }
    if !archive.starts_with(&LOCAL) {
        return Err(ReadError::NotZip);
    }
    let end = archive
        .len()
        .checked_sub(END_LENGTH)
        .filter(|&at| archive[at..].starts_with(&END))
        .ok_or_else(|| broken("the end of the archive is cut off, or something follows it"))?;
    let count = usize::from(number(archive, end + 10)?);
    if count > MAX_FILES {
        return Err(ReadError::TooMuch);
    }
    let mut at = long(archive, end + 16)?;
    let (mut files, mut times) = (Vec::new(), Vec::new());
    let mut behind = 0;
    for _ in 0..count {
        let (file, time, offset, next) = directory_entry(archive, at)?;
        // One behind the other: nothing overlaps, so all together is no longer than the archive.
        if offset != behind {
            return Err(broken(format!(
                "{} does not lie where it belongs",
                file.name
            )));
        }
        behind = offset + LOCAL_LENGTH + file.name.len() + file.data.len();
        files.push(file);
        times.push(time);
        at = next;
    }
    require_unique_names(&files)?;
    let time = times.first().copied().unwrap_or_default();
    let again = put_together(&files, time).ok_or(ReadError::TooMuch)?;
    match again
        .iter()
        .zip(archive)
        .position(|(ours, theirs)| ours != theirs)
    {
        None if again.len() == archive.len() => Ok(files),
        None => Err(broken("the archive is longer than its files")),
        Some(position) => Err(broken(format!(
            "the archive's own data about {} was altered (byte {position})",
            at_position(&files, position)
        ))),
    }
}

/// An entry of the directory: the file, its time, where its local header lies, where the
/// next entry begins.
fn directory_entry(
    archive: &[u8],
    at: usize,
) -> Result<(Packed<'_>, u32, usize, usize), ReadError> {
    if slice(archive, at..at.saturating_add(4))? != CENTRAL {
        return Err(broken("the archive's directory was altered"));
    }
    let name_length = usize::from(number(archive, at + 28)?);
    let name_at = at + CENTRAL_LENGTH;
    let name = std::str::from_utf8(slice(archive, name_at..name_at + name_length)?)
        .ok()
        .filter(|name| is_plain(name))
        .ok_or_else(|| broken("a file has a name that no file of a bundle has"))?;
    let offset = long(archive, at + 42)?;
    let data_at = offset.saturating_add(LOCAL_LENGTH + name_length);
    let packed = long(archive, at + 20)?;
    let file = Packed {
        name,
        method: number(archive, at + 10)?,
        crc: word(archive, at + 16)?,
        size: word(archive, at + 24)?,
        data: slice(archive, data_at..data_at.saturating_add(packed))?,
    };
    let time = word(archive, at + 12)?;
    Ok((file, time, offset, name_at + name_length))
}

fn require_unique_names(files: &[Packed<'_>]) -> Result<(), ReadError> {
    let mut names: Vec<String> = files
        .iter()
        .map(|file| file.name.to_ascii_lowercase())
        .collect();
    names.sort_unstable();
    match names.windows(2).find(|two| two[0] == two[1]) {
        Some(two) => Err(broken(format!("{} stands in it twice", two[0]))),
        None => Ok(()),
    }
}

/// Whose header or data lies there.
fn at_position<'a>(files: &[Packed<'a>], position: usize) -> &'a str {
    let mut behind = 0;
    for file in files {
        behind += LOCAL_LENGTH + file.name.len() + file.data.len();
        if position < behind {
            return file.name;
        }
    }
    "all files"
}

fn slice(archive: &[u8], range: Range<usize>) -> Result<&[u8], ReadError> {
    archive
        .get(range)
        .ok_or_else(|| broken("the archive's directory points outside of it"))
}

fn number(archive: &[u8], at: usize) -> Result<u16, ReadError> {
    let bytes = slice(archive, at..at.saturating_add(2))?;
    Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn word(archive: &[u8], at: usize) -> Result<u32, ReadError> {
    let bytes = slice(archive, at..at.saturating_add(4))?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

fn long(archive: &[u8], at: usize) -> Result<usize, ReadError> {
    usize::try_from(word(archive, at)?).map_err(|_| ReadError::TooMuch)
}

/// Whether all files have the time `at`.
pub fn has_time(archive: &[u8], at: Timestamp) -> bool {
    // The first local header's; all others are the same, or `read` had refused.
    word(archive, 10).is_ok_and(|time| time == dos_time(at))
}

/// The bytes of a file, which must be `size` long.
pub fn unpack(file: &Packed<'_>, size: usize) -> Result<Vec<u8>, ReadError> {
    if size > MAX_FILE || size > file.data.len().saturating_mul(MAX_RATIO) {
        return Err(ReadError::TooMuch);
    }
    let bytes = match file.method {
        0 => file.data.to_vec(),
        8 => inflate(file.data, size).ok_or_else(|| broken("it cannot be unpacked"))?,
        _ => return Err(broken("it is packed in a way that no bundle uses")),
    };
    let mut crc = Crc::new();
    crc.update(&bytes);
    if bytes.len() == size && usize::try_from(file.size) == Ok(size) && crc.sum() == file.crc {
        Ok(bytes)
    } else {
        Err(broken("its length or check sum is wrong"))
    }
}

/// Never more than `size` bytes, and only if all of `data` was needed for them.
fn inflate(data: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size);
    let mut inflater = Decompress::new(false);
    let status = inflater
        .decompress_vec(data, &mut bytes, FlushDecompress::Finish)
        .ok()?;
    let all = usize::try_from(inflater.total_in()) == Ok(data.len());
    (status == Status::StreamEnd && all).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_795_168_800_000);

    fn sample() -> Vec<u8> {
        let long = "a line that stands there often, line \n".repeat(50);
        let a = pack("a.txt", b"short", Packing::Stored).unwrap();
        let b = pack("folder/b.csv", long.as_bytes(), Packing::Deflate).unwrap();
        let c = pack("empty", b"", Packing::Deflate).unwrap();
        let files = [a.named("a.txt"), b.named("folder/b.csv"), c.named("empty")];
        write(&files, AT).unwrap()
    }

    #[test]
    fn what_was_written_reads_back() {
        let archive = sample();
        let files = read(&archive).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name).collect();
        assert_eq!(names, ["a.txt", "folder/b.csv", "empty"]);
        assert_eq!(unpack(&files[0], 5).unwrap(), b"short");
        let size = 50 * 38;
        assert!(files[1].data.len() < 100, "{}", files[1].data.len());
        assert_eq!(unpack(&files[1], size).unwrap().len(), size);
        assert_eq!(unpack(&files[2], 0).unwrap(), b"");
        assert!(has_time(&archive, AT));
        assert!(!has_time(
            &archive,
            AT.plus(std::time::Duration::from_secs(2))
        ));
    }

    #[test]
    fn every_byte_counts() {
        let archive = sample();
        let whole = |archive: &[u8]| -> Result<(), ReadError> {
            let sizes = [5, 50 * 38, 0];
            let files = read(archive)?;
            for (file, size) in files.iter().zip(sizes) {
                unpack(file, size)?;
            }
            if files.len() == 3 && has_time(archive, AT) {
                Ok(())
            } else {
                Err(ReadError::NotZip)
            }
        };
        assert_eq!(whole(&archive), Ok(()));
        let deflated = 30 + 5 + 5 + 30 + 12;
        let length = read(&archive).unwrap()[1].data.len();
        for at in 0..archive.len() {
            for bit in 0..8 {
                let mut altered = archive.clone();
                altered[at] ^= 1 << bit;
                // Bits behind the end of the deflated data pad its last byte: the hash of
                // the packed bytes, which the manifest has, is what sees them.
                let padding = at == deflated + length - 1;
                assert!(padding || whole(&altered).is_err(), "byte {at} bit {bit}");
            }
        }
        for length in 0..archive.len() {
            assert!(read(&archive[..length]).is_err(), "cut at {length}");
        }
        assert!(read(&[&archive[..], b"x"].concat()).is_err());
        assert!(read(&[b"x", &archive[..]].concat()).is_err());
    }

    #[test]
    fn attack_17_nothing_is_unpacked_beyond_what_is_said() {
        let zeros = vec![0; 1 << 20];
        let packed = pack("zeros", &zeros, Packing::Deflate).unwrap();
        // It would pack a thousand times.
        assert_eq!(packed.data.len(), zeros.len());
        let mut bomb = Packed {
            name: "zeros",
            method: 8,
            crc: packed.crc,
            size: packed.size,
            data: &deflate(&zeros).unwrap(),
        };
        assert_eq!(unpack(&bomb, zeros.len()), Err(ReadError::TooMuch));
        bomb.size = 100;
        assert!(unpack(&bomb, 100).is_err());
        assert_eq!(unpack(&bomb, MAX_FILE + 1), Err(ReadError::TooMuch));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            ".hidden",
            "a/.b",
            "a\\b",
            "c:x",
            "a b",
            "ä",
            "a/b/c",
            "a\n",
            "a/",
        ] {
            assert!(!is_plain(name), "{name:?}");
            let parcel = pack(name, b"x", Packing::Stored).unwrap();
            assert!(write(&[parcel.named(name)], AT).is_err(), "{name:?}");
            if let Some(archive) = put_together(&[parcel.named(name)], 0) {
                assert!(read(&archive).is_err(), "{name:?}");
            }
        }
        let parcel = pack("a", b"x", Packing::Stored).unwrap();
        let twice = put_together(&[parcel.named("a"), parcel.named("A")], 0).unwrap();
        let error = read(&twice).unwrap_err();
        assert_eq!(error, broken("a stands in it twice"));
    }
}
