//! Splits `args` into words the way launch does: shell-like, before substitution, so that a value never
//! becomes more words than the file shows.

use super::substitution::{Piece, Template};

/// Why a text has no words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordsError {
    /// A quote opened and not closed before the text, or a substitution, ended.
    OpenQuote,
    /// Nothing behind the last backslash.
    LoneBackslash,
    /// Nothing, or only space before a substitution, from which stock launch makes an empty word.
    EmptyWord,
}

/// The words of `template`, each a template of its own.
pub(crate) fn split(template: &Template) -> Result<Vec<Template>, WordsError> {
    if template.pieces.is_empty() {
        return Err(WordsError::EmptyWord);
    }
    let mut words: Vec<Template> = Vec::new();
    let mut word: Option<Vec<Piece>> = None;
    for (index, piece) in template.pieces.iter().enumerate() {
        let Piece::Text(text) = piece else {
            word.get_or_insert_default().push(piece.clone());
            continue;
        };
        let tokens = shell_split(text)?;
        if tokens.is_empty() && index == 0 {
            return Err(WordsError::EmptyWord);
        }
        if text.starts_with(is_space) {
            words.extend(word.take().map(Template::of));
        }
        let last = tokens.len().saturating_sub(1);
        for (index, token) in tokens.into_iter().enumerate() {
            word.get_or_insert_default().push(Piece::Text(token));
            if index < last {
                words.extend(word.take().map(Template::of));
            }
        }
        if text.ends_with(is_space) {
            words.extend(word.take().map(Template::of));
        }
    }
    words.extend(word.map(Template::of));
    Ok(words)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// POSIX shell words: single quotes keep everything, double quotes let a backslash escape `"` and `\`,
/// outside quotes a backslash keeps the next character.
fn shell_split(text: &str) -> Result<Vec<String>, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            c if is_space(c) => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or(WordsError::OpenQuote)? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or(WordsError::OpenQuote)? {
                        '"' => break,
                        '\\' => match characters.next().ok_or(WordsError::OpenQuote)? {
                            c @ ('"' | '\\') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => {
                word.get_or_insert_default().push(characters.next().ok_or(WordsError::LoneBackslash)?);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is the test's failure

    use super::*;

    #[test]
    fn splits_as_a_posix_shell_does() {
        let words = shell_split(r#"a  'b c' "d\" e"f ''  g\ h"#).unwrap();
        assert_eq!(words, ["a", "b c", "d\" ef", "", "g h"]);
        assert_eq!(shell_split("  ").unwrap(), Vec::<String>::new());
        assert_eq!(shell_split("a 'b"), Err(WordsError::OpenQuote));
        assert_eq!(shell_split("a\\"), Err(WordsError::LoneBackslash));
    }
}
