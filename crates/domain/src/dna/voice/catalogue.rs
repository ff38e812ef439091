//! The voices there are: the built-in speakers, and those an operator adds by file.

use std::{
    collections::{BTreeMap, HashSet},
    sync::LazyLock,
};

use serde::Deserialize;

use super::{Voice, VoiceGender};

/// The model whose speakers the built-in catalogue lists.
pub const BUILT_IN_MODEL: &str = "tts_models/en/vctk/vits";

/// Voices to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    voices: Vec<Voice>,
}

/// Why a file of voices is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct CatalogueError {
    /// The line of the file, from 1; the header is line 1.
    pub line: u64,
    /// The name of the column, or `-` when the fault is of the line.
    pub column: String,
    /// What is wrong and what would be right.
    pub fault: String,
}

/// Accents by the words that tell them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accents {
    pub families: Vec<Vec<String>>,
    pub words: BTreeMap<String, String>,
}

pub(super) fn accents() -> &'static Accents {
    static ACCENTS: LazyLock<Accents> = LazyLock::new(|| {
        toml::from_str(include_str!("../accents.toml"))
            .unwrap_or_else(|fault| panic!("the built-in accents, which a test reads: {fault}"))
    });
    &ACCENTS
}

impl Catalogue {
    /// The 108 speakers of the VCTK corpus.
    pub fn built_in() -> &'static Self {
        static BUILT_IN: LazyLock<Catalogue> = LazyLock::new(|| {
            let voices = read(include_str!("../vctk-speakers.csv"))
                .unwrap_or_else(|fault| panic!("the built-in voices, which a test reads: {fault}"));
            Catalogue { voices }
        });
        &BUILT_IN
    }

    /// The built-in voices and those of a CSV file with the columns `speaker`, `gender` (F
    /// or M), `age`, `accent`, and optionally `region` and `model`.
    pub fn with_file(text: &str) -> Result<Self, CatalogueError> {
        let mut voices = Self::built_in().voices.clone();
        voices.extend(read(text)?);
        Ok(Self { voices })
    }

    /// All voices, the built-in ones first.
    pub fn voices(&self) -> &[Voice] {
        &self.voices
    }

    /// The first voice of this speaker id.
    pub fn find(&self, speaker: &str) -> Option<&Voice> {
        self.voices.iter().find(|it| it.speaker == speaker)
    }

    /// The ages of the youngest and the oldest speaker.
    pub(super) fn ages(&self) -> (i32, i32) {
        let ages = || self.voices.iter().map(|it| it.age);
        (ages().min().unwrap_or(0), ages().max().unwrap_or(120))
    }

    /// Whether two accents sound alike.
    pub(super) fn same_family(a: &str, b: &str) -> bool {
        accents()
            .families
            .iter()
            .any(|family| family.iter().any(|it| it == a) && family.iter().any(|it| it == b))
    }
}

fn read(text: &str) -> Result<Vec<Voice>, CatalogueError> {
    const KNOWN: [&str; 6] = ["speaker", "gender", "age", "accent", "region", "model"];
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(text.as_bytes());
    let fault = |line: u64, column: &str, fault: String| CatalogueError {
        line,
        column: column.to_owned(),
        fault,
    };
    let header = reader
        .headers()
        .map_err(|error| fault(1, "-", error.to_string()))?
        .clone();
    for column in ["speaker", "gender", "age", "accent"] {
        if !header.iter().any(|it| it == column) {
            return Err(fault(1, column, "the header lacks this column".to_owned()));
        }
    }
    if let Some(unknown) = header.iter().find(|it| !KNOWN.contains(it)) {
        return Err(fault(
            1,
            unknown,
            format!("unknown column: expected {}", KNOWN.join(", ")),
        ));
    }
    let mut voices = Vec::new();
    let mut seen = HashSet::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            fault(line, "-", error.to_string())
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            let told = format!("{} fields: expected {}", record.len(), header.len());
            return Err(fault(line, "-", told));
        }
        let field = |column: &str| {
            let at = header.iter().position(|it| it == column);
            at.and_then(|it| record.get(it)).filter(|it| !it.is_empty())
        };
        let required = |column: &str| {
            field(column).ok_or_else(|| fault(line, column, "must not be empty".to_owned()))
        };
        let (speaker, gender, age) = (required("speaker")?, required("gender")?, required("age")?);
        let voice = Voice {
            speaker: speaker.to_owned(),
            model: field("model").unwrap_or(BUILT_IN_MODEL).to_owned(),
            gender: gender.parse::<VoiceGender>().map_err(|_| {
                fault(
                    line,
                    "gender",
                    format!("\"{gender}\" is not a gender: expected F or M"),
                )
            })?,
            age: age
                .parse()
                .ok()
                .filter(|it| (1..=120).contains(it))
                .ok_or_else(|| {
                    fault(
                        line,
                        "age",
                        format!("\"{age}\" is not an age: expected 1 to 120 years"),
                    )
                })?,
            accent: required("accent")?.to_owned(),
            region: field("region").map(str::to_owned),
        };
        if !seen.insert((voice.model.clone(), voice.speaker.clone())) {
            let told = format!("\"{}\" is listed twice for {}", voice.speaker, voice.model);
            return Err(fault(line, "speaker", told));
        }
        voices.push(voice);
    }
    Ok(voices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalogue_is_the_corpus() {
        let catalogue = Catalogue::built_in();
        assert_eq!(catalogue.voices().len(), 108);
        let p336 = catalogue.find("p336").unwrap();
        assert_eq!(
            (p336.gender, p336.age, p336.accent.as_str()),
            (VoiceGender::Female, 18, "SouthAfrican")
        );
        assert_eq!(catalogue.find("p248").unwrap().region, None);
        for voice in catalogue.voices() {
            assert!(
                accents().words.contains_key(&voice.accent),
                "{}",
                voice.accent
            );
        }
    }

    #[test]
    fn an_operator_adds_voices() {
        let file = "speaker,gender,age,accent,model\n aunt-1 ,F,71,French,piper/fr\n";
        let catalogue = Catalogue::with_file(file).unwrap();
        assert_eq!(catalogue.voices().len(), 109);
        assert_eq!(catalogue.find("aunt-1").unwrap().model, "piper/fr");
    }

    #[test]
    fn a_faulty_file_names_line_and_column() {
        for (file, told) in [
            (
                "speaker,gender,age\n",
                "line 1, column accent: the header lacks this column",
            ),
            (
                "speaker,gender,age,accent,hat\n",
                "line 1, column hat: unknown column",
            ),
            (
                "speaker,gender,age,accent\na,F,20,Irish\nb,X,20,Irish\n",
                "line 3, column gender: \"X\"",
            ),
            (
                "speaker,gender,age,accent\na,F,old,Irish\n",
                "line 2, column age: \"old\"",
            ),
            (
                "speaker,gender,age,accent\na,F,20,\n",
                "line 2, column accent: must not be empty",
            ),
            (
                "speaker,gender,age,accent\na,F,20\n",
                "line 2, column -: 3 fields: expected 4",
            ),
            (
                "speaker,gender,age,accent\na,F,20,Irish\na,F,21,Irish\n",
                "line 3, column speaker",
            ),
            ("", "line 1, column speaker"),
        ] {
            let error = Catalogue::with_file(file).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }
}
