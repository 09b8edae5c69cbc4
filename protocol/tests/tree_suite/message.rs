//! Protobuf messages of akd as editable trees.

use keyglass_protocol::tree::wire;

/// The messages of akd's `types.proto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    NodeLabel,
    Element,
    Sibling,
    Membership,
    NonMembership,
    Lookup,
    Update,
    History,
    AppendOnly,
}

impl Kind {
    fn nested(self, field: u32) -> Option<Self> {
        Some(match (self, field) {
            (Self::Element | Self::Sibling | Self::Membership, 1) | (Self::NonMembership, 1 | 2) => {
                Self::NodeLabel
            }
            (Self::Sibling, 2) | (Self::NonMembership, 3) | (Self::AppendOnly, 1 | 2) => Self::Element,
            (Self::Membership, 3) => Self::Sibling,
            (Self::NonMembership, 4) | (Self::Lookup | Self::Update, 5 | 7) | (Self::History, 3) => {
                Self::Membership
            }
            (Self::Lookup, 9) | (Self::History, 5) => Self::NonMembership,
            (Self::History, 1) => Self::Update,
            _ => return None,
        })
    }

    /// Whether the field may occur more than once.
    pub fn repeated(self, field: u32) -> bool {
        match self {
            Self::Sibling => field == 2,
            Self::Membership | Self::NonMembership => field == 3,
            Self::History | Self::AppendOnly => true,
            _ => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Val {
    Varint(u64),
    Bytes(Vec<u8>),
    Message(Msg),
    /// Key and value already encoded.
    Raw(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Msg {
    pub kind: Kind,
    pub fields: Vec<(u32, Val)>,
}

impl Msg {
    pub fn parse(kind: Kind, bytes: &[u8]) -> Self {
        let fields = wire::Fields::new(bytes).map(|field| {
            let field = field.unwrap();
            let value = match (field.value, kind.nested(field.number)) {
                (wire::Value::Varint(n), _) => Val::Varint(n),
                (wire::Value::Bytes(b), None) => Val::Bytes(b.to_vec()),
                (wire::Value::Bytes(b), Some(nested)) => Val::Message(Self::parse(nested, b)),
            };
            (field.number, value)
        });
        Self {
            kind,
            fields: fields.collect(),
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, value) in &self.fields {
            match value {
                Val::Varint(n) => wire::put_varint(&mut out, *number, *n),
                Val::Bytes(bytes) => wire::put_bytes(&mut out, *number, bytes),
                Val::Message(message) => wire::put_bytes(&mut out, *number, &message.encode()),
                Val::Raw(bytes) => out.extend_from_slice(bytes),
            }
        }
        out
    }

    /// The `nth` occurrence of a field.
    pub fn field(&mut self, number: u32, nth: usize) -> &mut Val {
        self.fields
            .iter_mut()
            .filter(|(n, _)| *n == number)
            .map(|(_, v)| v)
            .nth(nth)
            .unwrap()
    }

    /// The nested message in the `nth` occurrence of a field.
    pub fn message(&mut self, number: u32, nth: usize) -> &mut Self {
        match self.field(number, nth) {
            Val::Message(message) => message,
            other => panic!("no message: {other:?}"),
        }
    }

    /// Positions of all messages in this one, itself included, as indexes into `fields`.
    pub fn addresses(&self) -> Vec<Vec<usize>> {
        let mut all = vec![Vec::new()];
        for (i, (_, value)) in self.fields.iter().enumerate() {
            if let Val::Message(message) = value {
                all.extend(
                    message
                        .addresses()
                        .into_iter()
                        .map(|rest| [vec![i], rest].concat()),
                );
            }
        }
        all
    }

    pub fn at(&mut self, address: &[usize]) -> &mut Self {
        let Some((first, rest)) = address.split_first() else {
            return self;
        };
        match &mut self.fields[*first].1 {
            Val::Message(message) => message.at(rest),
            other => panic!("no message: {other:?}"),
        }
    }
}
