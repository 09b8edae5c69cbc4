//! The table of operations: what each takes and everything that it answers.

use keyglass_protocol::problem::Problem::{self, *};

/// One operation of the API.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    pub(super) parameters: &'static [Parameter],
    pub(super) body: Option<Body>,
    /// Status of a good answer.
    pub(super) success: u16,
    /// What a good answer is.
    pub(super) answer: &'static str,
    pub(super) content: Content,
    /// Whether it has an ETag.
    pub(super) tagged: bool,
    /// Whether a token is looked at.
    pub(super) token: bool,
    /// What it refuses with beyond [`EVERYWHERE`].
    pub(super) problems: &'static [Problem],
}

/// A parameter of a path or a query; schema and example are JSON.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) in_path: bool,
    pub(super) description: &'static str,
    pub(super) schema: &'static str,
    pub(super) example: &'static str,
}

/// What a request carries.
pub(super) enum Body {
    /// A message in JSON or protobuf.
    Message(&'static str),
    /// A signed note.
    Note,
}

/// What a good answer carries.
pub(super) enum Content {
    /// A message in JSON or protobuf.
    Message(&'static str),
    /// JSON only.
    Json(&'static str),
    /// A signed note.
    Note,
    /// Bytes.
    Bytes,
    /// No body.
    Nothing,
}

/// What any request can be refused with, before it is known what it asks for; by a server that stands by, all are.
pub(super) const EVERYWHERE: &[Problem] = &[
    MalformedRequest,
    Timeout,
    UnsupportedMediaType,
    TooManyRequests,
    HeadersTooLarge,
    Unavailable,
];

const LOOKUP: &[Problem] = &[
    MalformedLabel,
    Unauthorized,
    Absent,
    NotAcceptable,
    SinceBeyondNewest,
    UnknownSize,
];
const PHONE_LOOKUP: &[Problem] = &[
    MalformedLabel,
    Unauthorized,
    Forbidden,
    Absent,
    NotAcceptable,
    SinceBeyondNewest,
    UnknownSize,
];
const PUT_ACCOUNT: &[Problem] = &[
    MalformedBody,
    MalformedLabel,
    MalformedRecord,
    BadKey,
    BadSignature,
    Unauthorized,
    Forbidden,
    NotAcceptable,
    StaleVersion,
    UpdatePending,
    LogEnded,
    TooLarge,
    RuleBroken,
    VersionLimit,
    KindNotAccepted,
    Holding,
];
const PUT_HANDLE: &[Problem] = &[
    MalformedBody,
    MalformedLabel,
    MalformedRecord,
    BadKey,
    BadSignature,
    Unauthorized,
    Forbidden,
    NotAcceptable,
    StaleVersion,
    UpdatePending,
    LogEnded,
    TooLarge,
    RuleBroken,
    HandleRefused,
    VersionLimit,
    AccountAbsent,
    KindNotAccepted,
    Holding,
];
const PUT_PHONE: &[Problem] = &[
    MalformedBody,
    MalformedLabel,
    MalformedRecord,
    BadKey,
    BadSignature,
    Unauthorized,
    Forbidden,
    NotAcceptable,
    StaleVersion,
    UpdatePending,
    LogEnded,
    TooLarge,
    RuleBroken,
    HandleRefused,
    VersionLimit,
    AccountAbsent,
    KindNotAccepted,
    Holding,
];

const HASH: &str = r#"{"type":"string","pattern":"^[0-9a-f]{64}$"}"#;
const HASH_EXAMPLE: &str = r#""0000000000000000000000000000000000000000000000000000000000000000""#;
const NUMBER: &str = r#"{"type":"integer","minimum":0,"maximum":18446744073709551615}"#;
const VERSION: &str = r#"{"type":"integer","minimum":1,"maximum":18446744073709551615}"#;

const ID: Parameter = Parameter {
    name: "id",
    in_path: true,
    description: "Stable account id: 1 to 128 printable ASCII characters without / ? # %",
    schema: r##"{"type":"string","pattern":"^(?!\\.{1,2}$)[!\"$&-.0->@-~]{1,128}$"}"##,
    example: r#""alice-1""#,
};
const HANDLE: Parameter = Parameter {
    name: "handle",
    in_path: true,
    description: "Handle in its canonical form (PRECIS UsernameCaseMapped), percent-encoded UTF-8, at most 64 bytes",
    schema: r#"{"type":"string","minLength":1,"maxLength":64}"#,
    example: r#""alice""#,
};
const E164: Parameter = Parameter {
    name: "e164",
    in_path: true,
    description: "Telephone number, E.164 with its +",
    schema: r#"{"type":"string","pattern":"^\\+[1-9][0-9]{1,14}$"}"#,
    example: r#""+14155550100""#,
};
const FROM: Parameter = Parameter {
    name: "from",
    in_path: false,
    description: "Log size that the client saw before: adds a consistency proof from it",
    schema: NUMBER,
    example: "1",
};
const SINCE: Parameter = Parameter {
    name: "since",
    in_path: false,
    description: "First version of the history, inclusive",
    schema: VERSION,
    example: "1",
};
const EPOCH_HASH: Parameter = Parameter {
    name: "sha256",
    in_path: true,
    description: "SHA-256 of the document, lower-case hex",
    schema: HASH,
    example: HASH_EXAMPLE,
};
const RECEIPT_ID: Parameter = Parameter {
    name: "id",
    in_path: true,
    description: "SHA-256 of the receipt's text, lower-case hex",
    schema: HASH,
    example: HASH_EXAMPLE,
};
const LEVEL: Parameter = Parameter {
    name: "level",
    in_path: true,
    description: "Level of the tile",
    schema: r#"{"type":"integer","minimum":0,"maximum":5}"#,
    example: "0",
};
const INDEX: Parameter = Parameter {
    name: "index",
    in_path: true,
    description: "Index of the tile; from 1000 on in groups of three digits with slashes between, as in x001/234",
    schema: r#"{"type":"string","pattern":"^[0-9]{3}$"}"#,
    example: r#""000""#,
};
const WIDTH: Parameter = Parameter {
    name: "width",
    in_path: true,
    description: "Width of a tile that is not full",
    schema: r#"{"type":"integer","minimum":1,"maximum":255}"#,
    example: "1",
};

const LOOKUP_TEXT: &str = "Every proof is at the root of the checkpoint's last leaf. Costs 1 for an account, 2 for a handle, \
    5 for a telephone number, five times that with `since`.";
const HISTORY_TEXT: &str = "A lookup's body without `lookups`. Costs five lookups.";
const PUT_TEXT: &str = "Two locks: the token's session must belong to the account, and the record must be signed as the rules \
    demand. A byte-identical repeat of the pending or newest record gets the same receipt. Costs 5.";

/// What most operations are.
const READ: Operation = Operation {
    method: "get",
    path: "",
    id: "",
    tag: "read",
    summary: "",
    description: "",
    parameters: &[],
    body: None,
    success: 200,
    answer: "Found",
    content: Content::Message("Answer"),
    tagged: true,
    token: false,
    problems: &[],
};
const LOOK: Operation = Operation {
    description: LOOKUP_TEXT,
    answer: "The record with its proofs",
    token: true,
    problems: LOOKUP,
    ..READ
};
const HISTORY: Operation = Operation {
    description: HISTORY_TEXT,
    answer: "The versions with their proofs",
    ..LOOK
};
const PUT: Operation = Operation {
    method: "put",
    tag: "write",
    description: PUT_TEXT,
    body: Some(Body::Message("PutRequest")),
    success: 202,
    answer: "Accepted, durable, and promised",
    content: Content::Message("PutAnswer"),
    tagged: false,
    token: true,
    ..READ
};
const LOG: Operation = Operation {
    tag: "log",
    content: Content::Bytes,
    tagged: false,
    problems: &[NotFound],
    ..READ
};

/// Every operation.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        path: "/v1/accounts/{id}",
        id: "lookupAccount",
        summary: "Look an account up",
        parameters: &[ID, FROM, SINCE],
        ..LOOK
    },
    Operation {
        path: "/v1/handles/{handle}",
        id: "lookupHandle",
        summary: "Look a handle up, and the account that it points to",
        parameters: &[HANDLE, FROM, SINCE],
        ..LOOK
    },
    Operation {
        path: "/v1/phones/{e164}",
        id: "lookupPhone",
        summary: "Look a telephone number up, and the account that it points to",
        parameters: &[E164, FROM, SINCE],
        problems: PHONE_LOOKUP,
        ..LOOK
    },
    Operation {
        path: "/v1/accounts/{id}/history",
        id: "accountHistory",
        summary: "The history of an account",
        parameters: &[ID, FROM, SINCE],
        ..HISTORY
    },
    Operation {
        path: "/v1/handles/{handle}/history",
        id: "handleHistory",
        summary: "The history of a handle",
        parameters: &[HANDLE, FROM, SINCE],
        ..HISTORY
    },
    Operation {
        path: "/v1/phones/{e164}/history",
        id: "phoneHistory",
        summary: "The history of a telephone number",
        parameters: &[E164, FROM, SINCE],
        problems: PHONE_LOOKUP,
        ..HISTORY
    },
    Operation {
        method: "post",
        path: "/v1/lookups",
        id: "lookupMany",
        summary: "Look up to 100 labels up under one checkpoint",
        description: "Absent labels are proven absent in the same answer. Costs what the lookups cost one by one. A label that \
            the caller may not look up refuses the whole batch.",
        body: Some(Body::Message("BatchRequest")),
        answer: "Records and absences with their proofs",
        tagged: false,
        token: true,
        problems: &[
            MalformedBody,
            MalformedLabel,
            Unauthorized,
            Forbidden,
            NotAcceptable,
            TooLarge,
        ],
        ..READ
    },
    Operation {
        path: "/v1/accounts/{id}",
        id: "putAccount",
        summary: "Submit the next version of an account",
        parameters: &[ID],
        problems: PUT_ACCOUNT,
        ..PUT
    },
    Operation {
        path: "/v1/handles/{handle}",
        id: "putHandle",
        summary: "Submit the next version of a handle",
        parameters: &[HANDLE],
        problems: PUT_HANDLE,
        ..PUT
    },
    Operation {
        path: "/v1/phones/{e164}",
        id: "putPhone",
        summary: "Submit the next version of a telephone number",
        parameters: &[E164],
        problems: PUT_PHONE,
        ..PUT
    },
    Operation {
        path: "/v1/receipts/{id}",
        id: "receipt",
        tag: "write",
        summary: "What became of an accepted update",
        parameters: &[RECEIPT_ID],
        answer: "Pending, or the epoch with its leaf and inclusion proof",
        content: Content::Message("ReceiptAnswer"),
        tagged: false,
        problems: &[NotFound, NotAcceptable],
        ..READ
    },
    Operation {
        path: "/v1/config",
        id: "config",
        tag: "about",
        summary: "The configuration document that the newest signed leaf names",
        description: "Byte for byte: leaves name its hash. The header Keyglass-Registration says open or token.",
        answer: "The document",
        content: Content::Json("Configuration"),
        ..READ
    },
    Operation {
        path: "/v1/config/{sha256}",
        id: "configByHash",
        tag: "about",
        summary: "The configuration document with this hash",
        parameters: &[EPOCH_HASH],
        answer: "The document; immutable",
        content: Content::Json("Configuration"),
        problems: &[NotFound],
        ..READ
    },
    Operation {
        path: "/v1/openapi.json",
        id: "openapi",
        tag: "about",
        summary: "This description",
        answer: "OpenAPI 3.1",
        content: Content::Json("Description"),
        ..READ
    },
    Operation {
        path: "/log/checkpoint",
        id: "checkpoint",
        summary: "The checkpoint that readers stand on",
        answer: "A signed note",
        content: Content::Note,
        tagged: true,
        problems: &[],
        ..LOG
    },
    Operation {
        path: "/log/pending",
        id: "pending",
        summary: "The newest signed checkpoint, before its quorum",
        answer: "A signed note",
        content: Content::Note,
        tagged: true,
        problems: &[],
        ..LOG
    },
    Operation {
        path: "/log/tile/{level}/{index}",
        id: "tile",
        summary: "A full tile of hashes",
        parameters: &[LEVEL, INDEX],
        answer: "256 hashes of 32 bytes; immutable",
        ..LOG
    },
    Operation {
        path: "/log/tile/{level}/{index}.p/{width}",
        id: "partialTile",
        summary: "A tile of hashes that is not full",
        parameters: &[LEVEL, INDEX, WIDTH],
        answer: "Hashes of 32 bytes; immutable",
        ..LOG
    },
    Operation {
        path: "/log/tile/entries/{index}",
        id: "entries",
        summary: "A full bundle of leaves",
        parameters: &[INDEX],
        answer: "256 leaves, each with its length in two bytes; immutable",
        ..LOG
    },
    Operation {
        path: "/log/tile/entries/{index}.p/{width}",
        id: "partialEntries",
        summary: "A bundle of leaves that is not full",
        parameters: &[INDEX, WIDTH],
        answer: "Leaves, each with its length in two bytes; immutable",
        ..LOG
    },
    Operation {
        path: "/log/audit",
        id: "auditList",
        summary: "Audit proofs, newest first, in pages of 100",
        parameters: &[Parameter {
            name: "before",
            in_path: false,
            description: "Only epochs below this one",
            schema: NUMBER,
            example: "100",
        }],
        answer: "One page",
        content: Content::Json("AuditList"),
        problems: &[],
        ..LOG
    },
    Operation {
        path: "/log/audit/{epoch}/{previous}/{root}",
        id: "auditProof",
        summary: "The append-only proof of the step into an epoch",
        description: "akd's SingleAppendOnlyProof, protobuf.",
        parameters: &[
            Parameter {
                name: "epoch",
                in_path: true,
                description: "The epoch that the step leads into",
                schema: VERSION,
                example: "1",
            },
            Parameter {
                name: "previous",
                in_path: true,
                description: "akd root before, lower-case hex",
                schema: HASH,
                example: HASH_EXAMPLE,
            },
            Parameter {
                name: "root",
                in_path: true,
                description: "akd root after, lower-case hex",
                schema: HASH,
                example: HASH_EXAMPLE,
            },
        ],
        answer: "The proof; immutable",
        ..LOG
    },
    Operation {
        method: "post",
        path: "/log/cosignatures",
        id: "handInCosignature",
        summary: "Hand a cosignature in",
        description: "For cosigners that cannot be called: a checkpoint with the line of a configured cosigner.",
        body: Some(Body::Note),
        answer: "Taken",
        content: Content::Nothing,
        problems: &[
            MalformedBody,
            Forbidden,
            NotFound,
            UnknownSize,
            TooLarge,
            UnprocessableProof,
        ],
        ..LOG
    },
];
