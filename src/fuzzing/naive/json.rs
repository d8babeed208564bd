//! JSON (RFC 8259) as it stands there, repeated keys included: whichever of two a server takes, it is here.

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::fuzzing) enum Json {
    /// Null, true or false.
    Word,
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    /// The one value that `text` is; `None` where it is none.
    pub(in crate::fuzzing) fn read(text: &[u8]) -> Option<Self> {
        let mut reader = Reader { text: std::str::from_utf8(text).ok()?, at: 0 };
        let value = reader.value(DEEPEST)?;
        reader.blanks();
        (reader.at == text.len()).then_some(value)
    }

    /// Every value with this key in an object; none where this is none.
    pub(in crate::fuzzing) fn all(&self, key: &str) -> Vec<&Self> {
        let Self::Object(members) = self else { return Vec::new() };
        members.iter().filter(|(own, _)| own == key).map(|(_, value)| value).collect()
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, left: usize) -> Option<Json> {
        self.blanks();
        match self.peek()? {
            b'{' => self
                .members(b'}', |reader| {
                    reader.blanks();
                    let key = reader.string()?;
                    reader.blanks();
                    reader.eat(b':')?;
                    Some((key, reader.value(left.checked_sub(1)?)?))
                })
                .map(Json::Object),
            b'[' => self.members(b']', |reader| reader.value(left.checked_sub(1)?)).map(Json::List),
            b'"' => self.string().map(Json::Text),
            b'-' | b'0'..=b'9' => self.number(),
            _ => {
                let word =
                    ["null", "true", "false"].into_iter().find(|word| self.rest().starts_with(word))?;
                self.at += word.len();
                Some(Json::Word)
            }
        }
    }

    /// What stands between brackets, with commas between.
    fn members<T>(&mut self, end: u8, mut member: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut members = Vec::new();
        self.at += 1;
        self.blanks();
        if self.eat(end).is_some() {
            return Some(members);
        }
        loop {
            members.push(member(self)?);
            self.blanks();
            if self.eat(end).is_some() {
                return Some(members);
            }
            self.eat(b',')?;
        }
    }

    fn string(&mut self) -> Option<String> {
        self.eat(b'"')?;
        let mut string = String::new();
        loop {
            let next = self.rest().chars().next()?;
            self.at += next.len_utf8();
            match next {
                '"' => return Some(string),
                '\\' => string.push(self.escaped()?),
                '\0'..='\x1f' => return None,
                _ => string.push(next),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let which = self.peek()?;
        self.at += 1;
        Some(match which {
            b'"' | b'\\' | b'/' => char::from(which),
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return char::from_u32(first);
                }
                self.eat(b'\\')?;
                self.eat(b'u')?;
                let second = self.unit()?.checked_sub(0xdc00).filter(|second| *second < 0x400)?;
                return char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + second);
            }
            _ => return None,
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
        self.at += 4;
        u32::try_from(super::number(digits, 16)?).ok()
    }

    /// RFC 8259 §6: no digit in front but one zero, and digits on both sides of a point.
    fn number(&mut self) -> Option<Json> {
        let start = self.at;
        let _ = self.eat(b'-');
        let whole = self.digits();
        if whole == 0 || whole > 1 && self.text.as_bytes()[self.at - whole] == b'0' {
            return None;
        }
        if self.eat(b'.').is_some() && self.digits() == 0 {
            return None;
        }
        if self.eat(b'e').or_else(|| self.eat(b'E')).is_some() {
            let _ = self.eat(b'+').or_else(|| self.eat(b'-'));
            if self.digits() == 0 {
                return None;
            }
        }
        Some(Json::Number(self.text[start..self.at].to_owned()))
    }

    /// How many there were.
    fn digits(&mut self) -> usize {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.at += digits;
        digits
    }

    fn blanks(&mut self) {
        self.at += self.rest().bytes().take_while(|byte| b" \t\r\n".contains(byte)).count();
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }
}

/// Levels of lists and objects; more than anybody here accepts.
const DEEPEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_json_is_read_and_nothing_else() {
        let json =
            Json::read(br#" {"a":[1,-0.5e+3,"\u0041\ud83d\ude00\n"],"a":{},"b":[null , true,false]} "#)
                .unwrap();
        let text = |text: &str| Json::Text(text.to_owned());
        let number = |digits: &str| Json::Number(digits.to_owned());
        assert_eq!(
            json.all("a"),
            [&Json::List(vec![number("1"), number("-0.5e+3"), text("A\u{1f600}\n")]), &Json::Object(vec![])]
        );
        assert_eq!(json.all("b"), [&Json::List(vec![Json::Word; 3])]);
        for bad in [
            "",
            "{",
            "{} x",
            "\u{feff}{}",
            "[1,]",
            "{'a':1}",
            "[01]",
            "[1.]",
            "[.5]",
            "[1e]",
            "[+1]",
            "[NaN]",
            "nul",
            r#"["\ud800"]"#,
            r#"["\udc00"]"#,
            r#"["\x"]"#,
            "[\"\n\"]",
            r#"{"a"}"#,
            r#"{"a":1,}"#,
        ] {
            assert_eq!(Json::read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Json::read(b"\"\xff\""), None);
    }
}
