//! Character cards in pictures: a PNG file with the card in `tEXt` chunks, as JSON in base64 —
//! `chara` for version 2, `ccv3` for version 3.
//!
//! The `png` crate reads the file chunk by chunk and sees to order and checksums. No pixel is ever
//! decompressed, so a picture that would unfold to gigabytes costs no more than its own bytes;
//! chunks of the picture go through as they are.

use data_encoding::BASE64;
use png::{
    DecodeOptions, Decoded, Encoder, StreamingDecoder,
    chunk::ChunkType,
    text_metadata::{EncodableTextChunk, TEXtChunk},
};
use serde_json::Value;

use super::{
    PersonaSnapshot,
    card::{self, CardSpec},
};
use crate::check::{Invalid, UserErrorCode};

/// A picture with a card takes at most so many bytes: in base64 it fits a request of 1 MiB.
pub const MAX_PNG_BYTES: usize = 700 * 1_024;
/// Pixels across or down.
pub const MAX_PIXELS: u32 = 8_192;
/// The chunks that hold cards, the better one first.
const KEYWORDS: [(&str, CardSpec); 2] = [("ccv3", CardSpec::V3), ("chara", CardSpec::V2)];
/// What a reader of version 2 is told of a card of version 3, as the specification asks.
const BACKFILL: &str = "This character card is of version 3, and was read as one of version 2: \
                        use a program that reads version 3 for all of it.";

/// A picture without its card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The PNG file.
    pub png: Vec<u8>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// A chunk of a file: where it lies, from its length to its checksum.
struct Chunk {
    kind: ChunkType,
    from: usize,
    to: usize,
    sound: bool,
}

impl Chunk {
    fn data<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        // Length and type before, checksum after.
        file.get(self.from + 8..self.to - 4).unwrap_or_default()
    }

    /// The keyword and text of a `tEXt` chunk.
    fn text<'a>(&self, file: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let data = (self.kind == png::chunk::tEXt).then(|| self.data(file))?;
        let end = data.iter().position(|it| *it == 0)?;
        Some((&data[..end], &data[end + 1..]))
    }

    fn holds_card(&self, file: &[u8]) -> Option<CardSpec> {
        let (keyword, _) = self.text(file)?;
        let found = KEYWORDS.iter().find(|(it, _)| it.as_bytes() == keyword);
        found.map(|(_, spec)| *spec)
    }
}

/// The chunks of a PNG file, and its size in pixels.
fn chunks(file: &[u8], path: &str) -> Result<(Vec<Chunk>, u32, u32), Invalid> {
    if file.len() > MAX_PNG_BYTES {
        let message = format!(
            "the picture has {} bytes: expected at most {MAX_PNG_BYTES}",
            file.len()
        );
        return Err(Invalid::one(UserErrorCode::TooLong, path, message));
    }
    let mut options = DecodeOptions::default();
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = StreamingDecoder::new_with_options(options);
    let mut chunks = Vec::new();
    let mut at = 0;
    loop {
        let rest = file.get(at..).unwrap_or_default();
        let (read, event) = decoder
            .update(rest, None)
            .map_err(|error| fault(path, format!("not a sound PNG file: {error}")))?;
        at += read;
        match event {
            Decoded::ChunkBegin(length, kind) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                chunks.push(Chunk {
                    kind,
                    from: at.saturating_sub(8),
                    to: at.saturating_add(length).saturating_add(4),
                    sound: true,
                });
            }
            Decoded::BadAncillaryChunk(_) => {
                if let Some(chunk) = chunks.last_mut() {
                    chunk.sound = false;
                }
            }
            Decoded::ChunkComplete(png::chunk::IEND) => break,
            Decoded::Nothing if rest.is_empty() || read == 0 => {
                return Err(fault(path, "the PNG file breaks off"));
            }
            _ => {}
        }
    }
    let Some(info) = decoder.info() else {
        return Err(fault(path, "the PNG file has no header"));
    };
    let (width, height) = (info.width, info.height);
    if width > MAX_PIXELS || height > MAX_PIXELS {
        let message = format!(
            "the picture has {width} × {height} pixels: expected at most {MAX_PIXELS} each way"
        );
        return Err(Invalid::one(UserErrorCode::OutOfRange, path, message));
    }
    if !chunks.iter().any(|it| it.kind == png::chunk::IDAT) {
        return Err(fault(path, "the PNG file has no picture in it"));
    }
    Ok((chunks, width, height))
}

fn fault(path: &str, message: impl Into<String>) -> Invalid {
    Invalid::one(UserErrorCode::Invalid, path, message)
}

/// Reads a picture: the card in it, the one of version 3 where there are both, and the picture
/// without any.
///
/// # Errors
/// Where it is not a sound PNG file, too large, or has no card in it that can be read.
pub fn read(file: &[u8], path: &str) -> Result<(PersonaSnapshot, Picture), Invalid> {
    let (chunks, width, height) = chunks(file, path)?;
    let held = |spec| chunks.iter().find(|it| it.holds_card(file) == Some(spec));
    let chunk = KEYWORDS
        .iter()
        .find_map(|(_, spec)| held(*spec))
        .ok_or_else(|| {
            fault(
                path,
                "no character card in the picture: it has neither a ccv3 nor a chara text chunk",
            )
        })?;
    if !chunk.sound {
        return Err(fault(
            path,
            "the character card in the picture is damaged: its checksum does not fit",
        ));
    }
    let (_, text) = chunk.text(file).unwrap_or_default();
    // Some programs break the lines of base64, or leave its padding out.
    let mut text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|it| !it.is_ascii_whitespace())
        .collect();
    while !text.len().is_multiple_of(4) {
        text.push(b'=');
    }
    let json = BASE64
        .decode(&text)
        .map_err(|_| fault(path, "the character card in the picture is not base64"))?;
    let card: Value = serde_json::from_slice(&json).map_err(|error| {
        fault(
            path,
            format!("the character card in the picture is not JSON: {error}"),
        )
    })?;
    let snapshot = card::read(&card, path)?;
    let keep = |it: &&Chunk| it.holds_card(file).is_none();
    let mut png = file[..8].to_vec();
    for chunk in chunks.iter().filter(keep) {
        png.extend_from_slice(file.get(chunk.from..chunk.to).unwrap_or_default());
    }
    let picture = Picture { png, width, height };
    Ok((snapshot, picture))
}

/// Writes a persona into a picture, or into a plain one where it has none. One of version 3 gets
/// one of version 2 beside it, for programs that read only that.
///
/// # Errors
/// When the picture is not a sound PNG file.
pub fn write(
    snapshot: &PersonaSnapshot,
    spec: CardSpec,
    version: &str,
    picture: Option<&[u8]>,
) -> Result<Vec<u8>, Invalid> {
    let path = "picture";
    let failed = |error: png::EncodingError| fault(path, error.to_string());
    let plain;
    let file = if let Some(it) = picture {
        it
    } else {
        plain = plain_picture().map_err(failed)?;
        &plain
    };
    let (chunks, ..) = chunks(file, path)?;
    let mut png = file[..8].to_vec();
    for chunk in chunks.iter().filter(|it| it.holds_card(file).is_none()) {
        if chunk.kind == png::chunk::IEND {
            for (keyword, written) in KEYWORDS.iter().rev().filter(|it| it.1 <= spec) {
                let mut card = card::write(snapshot, *written, version);
                if *written < spec {
                    let notes = &mut card["data"]["creator_notes"];
                    *notes = format!("{BACKFILL}\n\n{}", notes.as_str().unwrap_or_default()).into();
                }
                let text = BASE64.encode(card.to_string().as_bytes());
                TEXtChunk::new(*keyword, text)
                    .encode(&mut png)
                    .map_err(failed)?;
            }
        }
        png.extend_from_slice(file.get(chunk.from..chunk.to).unwrap_or_default());
    }
    Ok(png)
}

/// A grey portrait of 256 × 384 pixels.
fn plain_picture() -> Result<Vec<u8>, png::EncodingError> {
    const SIZE: (u32, u32) = (256, 384);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, SIZE.0, SIZE.1);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header()?;
    let rows = (SIZE.0 / 8 * SIZE.1) as usize;
    // Every other pixel white.
    writer.write_image_data(&vec![0x55; rows])?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn card() -> Value {
        json!({
            "spec": "chara_card_v3", "spec_version": "3.0",
            "data": {
                "name": "Ada – 時計", "description": "mends clocks", "personality": "", "scenario": "",
                "first_mes": "Yes?", "mes_example": "", "creator_notes": "with tea", "system_prompt": "",
                "post_history_instructions": "", "alternate_greetings": [], "tags": ["clocks"],
                "creator": "", "character_version": "1", "extensions": {}, "group_only_greetings": [],
                "character_book": { "entries": [], "extensions": {} },
            },
        })
    }

    fn with_text(chunks: &[(&str, &str)]) -> Vec<u8> {
        let plain = plain_picture().unwrap();
        let (before, end) = plain.split_at(plain.len() - 12);
        let mut file = before.to_vec();
        for (keyword, text) in chunks {
            TEXtChunk::new(*keyword, *text).encode(&mut file).unwrap();
        }
        file.extend_from_slice(end);
        file
    }

    fn told<T: std::fmt::Debug>(result: Result<T, Invalid>) -> String {
        result.map_or_else(|it| it.to_string(), |it| format!("{it:?}"))
    }

    #[test]
    fn a_card_goes_into_a_picture_and_comes_out() {
        let persona = card::read(&card(), "card").unwrap();
        for spec in CardSpec::ALL {
            let file = write(&persona, *spec, "1.0.0", None).unwrap();
            let (again, picture) = read(&file, "png").unwrap();
            assert_eq!(card::write(&again, CardSpec::V3, "1.0.0"), card());
            assert_eq!((picture.width, picture.height), (256, 384));
            assert_eq!(picture.png, plain_picture().unwrap());
            // Into the picture it came with, the same file again.
            assert_eq!(
                write(&again, *spec, "1.0.0", Some(&picture.png)).unwrap(),
                file
            );
            // Any reader of PNG files reads it, pixels and texts.
            let mut reader = png::Decoder::new(std::io::Cursor::new(&file))
                .read_info()
                .unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            reader.finish().unwrap();
            let keywords: Vec<&str> = reader
                .info()
                .uncompressed_latin1_text
                .iter()
                .map(|it| it.keyword.as_str())
                .collect();
            let expected: &[&str] = match spec {
                CardSpec::V2 => &["chara"],
                CardSpec::V3 => &["chara", "ccv3"],
            };
            assert_eq!(keywords, expected);
        }
    }

    #[test]
    fn the_better_card_is_read_and_other_texts_stay() {
        let text = |it: &Value| BASE64.encode(it.to_string().as_bytes());
        let mut old = card();
        old["spec"] = json!("chara_card_v2");
        old["data"]["name"] = json!("Old");
        let mut unpadded = text(&card());
        unpadded.insert(40, '\n');
        let file = with_text(&[
            ("chara", &text(&old)),
            ("ccv3", unpadded.trim_end_matches('=')),
            ("Author", "somebody"),
        ]);
        let (persona, picture) = read(&file, "png").unwrap();
        assert_eq!(persona.name, "Ada – 時計");
        assert_eq!(picture.png, with_text(&[("Author", "somebody")]));
    }

    #[test]
    fn what_is_not_sound_is_refused_with_the_reason() {
        let good = with_text(&[("chara", &BASE64.encode(card().to_string().as_bytes()))]);
        assert!(read(&good, "png").is_ok());
        let mut damaged = good.clone();
        let at = good.len() - 40;
        damaged[at] ^= 1;
        let mut huge = plain_picture().unwrap();
        huge[16..20].copy_from_slice(&100_000_u32.to_be_bytes());
        let header_sum = |file: &mut Vec<u8>| {
            // The checksum of a chunk of the same data, made by the crate.
            let data = file[16..29].to_vec();
            let mut other = Vec::new();
            let mut writer = Encoder::new(&mut other, 1, 1).write_header().unwrap();
            writer.write_chunk(png::chunk::IHDR, &data).unwrap();
            drop(writer);
            let from = other.windows(13).position(|it| it == data).unwrap() + 13;
            file[29..33].copy_from_slice(&other[from..from + 4]);
        };
        header_sum(&mut huge);
        let faults = [
            told(read(b"", "png")),
            told(read(b"GIF89a not a picture", "png")),
            told(read(&good[..good.len() - 20], "png")),
            told(read(&good[..20], "png")),
            told(read(&damaged, "png")),
            told(read(&huge, "png")),
            told(read(&vec![0; MAX_PNG_BYTES + 1], "png")),
            told(read(&plain_picture().unwrap(), "png")),
            told(read(&with_text(&[("chara", "%%%%")]), "png")),
            told(read(&with_text(&[("chara", &BASE64.encode(b"{"))]), "png")),
            told(read(
                &with_text(&[("chara", &BASE64.encode("[".repeat(10_000).as_bytes()))]),
                "png",
            )),
            told(read(&with_text(&[("ccv3", &BASE64.encode(b"[]"))]), "png")),
        ];
        insta::assert_snapshot!(faults.join("\n"), @r"
        the PNG file breaks off
        not a sound PNG file: Invalid PNG signature.
        the PNG file breaks off
        the PNG file breaks off
        the character card in the picture is damaged: its checksum does not fit
        the picture has 100000 × 384 pixels: expected at most 8192 each way
        the picture has 716801 bytes: expected at most 716800
        no character card in the picture: it has neither a ccv3 nor a chara text chunk
        the character card in the picture is not base64
        the character card in the picture is not JSON: EOF while parsing an object at line 1 column 1
        the character card in the picture is not JSON: recursion limit exceeded at line 1 column 128
        a character card is a JSON object
        ");
    }

    proptest! {
        /// Whatever is done to a file, it is read or refused.
        #[test]
        fn no_file_panics(
            cut in 0_usize..2_000,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            tail in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut file = with_text(&[("chara", &BASE64.encode(card().to_string().as_bytes()))]);
            for (at, byte) in changes {
                let at = at.index(file.len());
                file[at] = byte;
            }
            file.truncate(file.len().saturating_sub(cut.saturating_sub(1_000)));
            file.extend(tail);
            if let Ok((persona, picture)) = read(&file, "png") {
                prop_assert!(write(&persona, CardSpec::V3, "1.0.0", Some(&picture.png)).is_ok());
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
            file.extend(&bytes);
            prop_assert!(read(&file, "png").is_err());
            prop_assert!(read(&bytes, "png").is_err());
        }
    }
}
