//! What the wording's weights are learned from: for each line `name<TAB>text` of standard input a
//! line of JSON, the features of every sentence of the text. Called by `learn/learn.py`.

use std::io::{BufRead, Write};

use anima_domain::dna::features_of;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (name, text) = line.split_once('\t').ok_or("a line without a tab")?;
        let features = features_of(text, Some(name).filter(|it| !it.is_empty()));
        writeln!(out, "{}", serde_json::to_string(&features)?)?;
    }
    Ok(())
}
