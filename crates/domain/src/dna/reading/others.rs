//! Words that tell of somebody else than the entity and those who raised it.

use super::{Beside, Reader, Word, is_governed};

impl Reader<'_> {
    /// "the ones who were afraid": what follows is theirs, to the end of the clause.
    pub(super) fn mark_others(&self, words: &mut [Word]) {
        let others = &self.lexicon.modifiers.others;
        for i in 1..words.len() {
            let opened = words[i].text == "who" && others.contains(&words[i - 1].text);
            let continued = words[i - 1].beside.is_some() && words[i - 1].clause == words[i].clause;
            if opened || continued || leaves_to_others(words, i) {
                words[i].beside = Some(Beside::Others);
            }
        }
    }

    /// "my brother was good at everything and I": his until somebody else is told of.
    pub(super) fn mark_peers(&self, words: &mut [Word]) {
        let mut of_a_peer = false;
        for i in 0..words.len() {
            let opens = i == 0 || words[i - 1].clause != words[i].clause;
            let begin = (0..i)
                .rev()
                .take_while(|&j| words[j].clause == words[i].clause)
                .last()
                .unwrap_or(i);
            let told = self.mention(words, i).is_some() && !is_governed(words, i, begin);
            of_a_peer = if told {
                self.lexicon.people.peers.contains(&words[i].text) && !words[i].possessive
            } else {
                !opens && of_a_peer
            };
            if of_a_peer && words[i].beside.is_none() {
                words[i].beside = Some(Beside::Peer);
            }
        }
    }
}

/// "I let others do the exploring": theirs, not the entity's.
fn leaves_to_others(words: &[Word], i: usize) -> bool {
    i >= 2
        && matches!(words[i - 1].text.as_str(), "others" | "other")
        && matches!(
            words[i - 2].text.as_str(),
            "let" | "lets" | "leave" | "leaves" | "left"
        )
        && words[i - 2].clause == words[i].clause
}
