//! Every cap of this crate, in one table (behaviour 3 and 14, threats 5).

/// Characters of a server's, provider's or model's display name.
pub const DISPLAY_NAME_CHARS: usize = 128;
/// Characters of a slug.
pub const SLUG_CHARS: usize = 64;
/// Characters of a description, and of an icon path.
pub const DESCRIPTION_CHARS: usize = 4096;
/// Bytes of a URL.
pub const URL_BYTES: usize = 2048;
/// Entries of a map of custom headers.
pub const HEADERS: usize = 32;
/// Bytes of a header name.
pub const HEADER_NAME_BYTES: usize = 128;
/// Bytes of a header value, API keys included.
pub const HEADER_VALUE_BYTES: usize = 8 * 1024;
/// Bytes of what is sent before a user's value.
pub const VALUE_PREFIX_BYTES: usize = 256;
/// Bytes of an OAuth client id; a client document's URL is one too.
pub const CLIENT_ID_BYTES: usize = 2048;
/// Bytes of the OAuth scopes, blanks between them included.
pub const SCOPES_BYTES: usize = 4096;
/// Groups that one server may be limited to.
pub const SERVER_GROUPS: usize = 256;
/// Entries of a tool pattern list as sent, blank ones included.
pub const PATTERN_LINES: usize = 4096;
/// Entries of a tool pattern list, after blanks were dropped.
pub const PATTERNS: usize = 512;
/// Characters of one tool pattern.
pub const PATTERN_CHARS: usize = 256;

/// Characters of a tool name as sent to a model provider.
pub const EXPOSED_NAME_CHARS: usize = 64;
/// Characters of the hash at the end of a changed or cut tool name.
pub const NAME_HASH_CHARS: usize = 8;
/// Characters of a tool call's label.
pub const LABEL_CHARS: usize = 100;
/// Levels of a tool's schema that are walked for references; below them it is passed on as it is.
pub const SCHEMA_WALK_DEPTH: usize = 128;
/// Bytes of a tool result that reach the model.
pub const RESULT_TO_MODEL_BYTES: usize = 256 * 1024;

/// Servers that one chat may list.
pub const CHAT_SERVERS: usize = 256;
/// Messages that wait in one chat for the turn before them.
pub const QUEUED_MESSAGES: i64 = 100;
/// Bytes of their text together: every reader of the chat is told the whole queue when it changes.
pub const QUEUED_BYTES: i64 = 512 * 1024;
/// Bytes of a chat's plan (behaviour 21).
pub const PLAN_BYTES: usize = 64 * 1024;
/// Versions of it that are kept: at least the calls of one turn, so that the calls of a turn are found again after a crash.
pub const PLAN_VERSIONS: i64 = 100;
/// Characters of a chat title made from the first prompt, or by a model.
pub const TITLE_CHARS: usize = 80;
/// Bytes of the deployment's system prompt, and of its instructions for plan mode.
pub const CHAT_INSTRUCTIONS_BYTES: usize = 32 * 1024;
/// Days after which a chat may be archived by itself, at most.
pub const AUTO_ARCHIVE_DAYS: i64 = 3650;
/// Percent of a model's context from which a chat is summarised, unless said otherwise.
pub const COMPACTION_PERCENT: i64 = 80;

/// Characters of an email address (RFC 5321, 4.5.3.1.3, without the brackets).
pub const EMAIL_CHARS: usize = 254;
/// Characters of the part of an address before the `@` (RFC 5321, 4.5.3.1.1).
pub const EMAIL_LOCAL_CHARS: usize = 64;
/// Characters of a user name.
pub const USERNAME_CHARS: usize = 64;
/// Characters of a person's name.
pub const PERSON_NAME_CHARS: usize = 128;
/// Least characters of a password.
pub const PASSWORD_MIN_CHARS: usize = 12;
/// Most characters of a password.
pub const PASSWORD_MAX_CHARS: usize = 128;
/// A user name of fewer characters is not looked for inside the password: one letter is in nearly every text.
pub const USERNAME_IN_PASSWORD_MIN_CHARS: usize = 3;
/// Characters of an API token's name.
pub const TOKEN_NAME_CHARS: usize = 64;
/// Seconds an API token lives unless asked otherwise: 30 days.
pub const TOKEN_LIFETIME_SECONDS: i64 = 30 * 24 * 3600;
/// Most seconds an API token may live: one year.
pub const TOKEN_LIFETIME_MAX_SECONDS: i64 = 365 * 24 * 3600;

/// Characters of a group's name.
pub const GROUP_NAME_CHARS: usize = 64;
/// Groups of a deployment.
pub const GROUPS: usize = 1000;
/// Members of a group.
pub const GROUP_MEMBERS: usize = 5000;
/// Users who join, and users who leave, in one edit of a group.
pub const GROUP_CHANGES: usize = 512;

/// Entries of the list of private destinations that owners set.
pub const EGRESS_ALLOW_ENTRIES: usize = 256;

/// Workspaces of one user.
pub const WORKSPACES: usize = 100;
/// Characters of a workspace's name.
pub const WORKSPACE_NAME_CHARS: usize = 64;
/// Servers of one workspace.
pub const WORKSPACE_SERVERS: usize = 20;
/// Characters of the name of a server in a workspace.
pub const WORKSPACE_ENTRY_CHARS: usize = 64;
/// Bytes of the document of a workspace, as it is stored.
pub const WORKSPACE_DOCUMENT_BYTES: usize = 64 * 1024;

/// Rows of a page of users or groups unless fewer are asked for.
pub const PAGE_ROWS: usize = 200;
/// Characters of a text that is searched for.
pub const SEARCH_CHARS: usize = 128;

/// Words of it that are looked for in chats.
pub const SEARCH_WORDS: usize = 10;
/// Characters of the piece of a text that is shown around what was found.
pub const SNIPPET_CHARS: usize = 160;

/// Characters of a model's id at its provider.
pub const MODEL_ID_CHARS: usize = 256;
/// Tokens of context a model has unless said otherwise.
pub const CONTEXT_LIMIT_TOKENS: i64 = 128_000;
/// Least tokens of context with which a turn makes sense.
pub const CONTEXT_LIMIT_MIN_TOKENS: i64 = 1024;
/// Most tokens of context.
pub const CONTEXT_LIMIT_MAX_TOKENS: i64 = 100_000_000;
/// Tokens of one answer unless said otherwise (behaviour 18).
pub const OUTPUT_LIMIT_TOKENS: i64 = 32_000;

/// Bytes of a path to return to after sign-in.
pub const RETURN_TO_BYTES: usize = 2048;

/// Bytes of a document of servers to import.
pub const IMPORT_BYTES: usize = 1024 * 1024;
/// Servers in one document to import.
pub const IMPORT_SERVERS: usize = 1000;
/// Levels of lists and objects in a document to import; ours has four.
pub const IMPORT_DEPTH: usize = 16;
/// Names of unknown members that one note lists.
pub const IMPORT_NOTED_NAMES: usize = 16;

/// Fields of one form that a server may ask for.
pub const ELICITATION_FIELDS: usize = 20;
/// Bytes of the message a server asks with.
pub const ELICITATION_MESSAGE_BYTES: usize = 4 * 1024;
/// Questions to a person in one call.
pub const ELICITATION_CARDS: usize = 3;
/// Bytes of the name a server gives to a page to visit.
pub const ELICITATION_ID_BYTES: usize = 256;
/// Options of one field.
pub const ELICITATION_OPTIONS: usize = 200;
/// Characters shown of the label of a field or option.
pub const ELICITATION_LABEL_CHARS: usize = 120;
/// Characters shown of the help beside a field.
pub const ELICITATION_HELP_CHARS: usize = 500;
/// Characters of one answer, whatever the server would take.
pub const ELICITATION_TEXT_CHARS: u64 = 10_000;

/// Levels of a schema that is adapted for a model provider; the catalogue takes 32, and the wrapper of `model_intent` adds two.
pub const PROVIDER_SCHEMA_DEPTH: usize = 64;
/// Subschemas of it, also after references were written out.
pub const PROVIDER_SCHEMA_PARTS: usize = 4000;
/// Bytes of descriptions and values in it after references were written out.
pub const PROVIDER_SCHEMA_BYTES: usize = 512 * 1024;
/// References followed one after the other.
pub const PROVIDER_SCHEMA_HOPS: usize = 16;
/// Alternatives at its root, each with its own.
pub const PROVIDER_ROOT_PARTS: usize = 256;
/// Notes on what was lost.
pub const PROVIDER_NOTES: usize = 50;
/// OpenAI's strict mode: properties in all, nested levels, values of all enumerations.
pub const STRICT_PROPERTIES: usize = 5000;
pub const STRICT_LEVELS: usize = 10;
pub const STRICT_ENUM_VALUES: usize = 1000;
/// OpenAI's strict mode: characters of all names and values, and of one enumeration with more than 250 values.
pub const STRICT_CHARS: usize = 120_000;
pub const STRICT_LARGE_ENUM: usize = 250;
pub const STRICT_LARGE_ENUM_CHARS: usize = 15_000;
/// Characters of a description that OpenAI's older servers take.
pub const OPENAI_DESCRIPTION_CHARS: usize = 1024;
/// Findings of a lint.
pub const LINTS: usize = 100;

/// Changes that a difference between two definitions lists.
pub const DIFF_CHANGES: usize = 100;
/// Levels of a definition that are compared one by one.
pub const DIFF_DEPTH: usize = 64;
/// Characters shown of a text that changed.
pub const DIFF_TEXT_CHARS: usize = 300;

/// Bytes of a signing secret, at least (behaviour 12).
pub const SIGNING_SECRET_BYTES: usize = 16;

/// Tools of one server whose definitions are kept.
pub const KNOWN_TOOLS: usize = 2000;

/// Contacts that a server's health rests on, and how far back they may lie.
pub const HEALTH_CONTACTS: usize = 10;
pub const HEALTH_WINDOW_SECONDS: i64 = 15 * 60;
/// Milliseconds from which connecting and listing is slow: where people get the slow notice (behaviour 13).
pub const SLOW_MILLIS: i64 = 5_000;

/// How long a turn waits for a person or a client, seconds; and how long an approval that was given can be used.
pub const PARKED_SECONDS: u64 = 5 * 60;
/// Tools that the client of a chat brings.
pub const DYNAMIC_TOOLS: usize = 32;
/// Bytes of the schema of one of them.
pub const DYNAMIC_TOOL_SCHEMA_BYTES: usize = 32 * 1024;
/// Bytes of all of them together: they lie in the row of the chat.
pub const DYNAMIC_TOOLS_BYTES: usize = 64 * 1024;
/// Results of such tools in one request.
pub const CLIENT_RESULTS: usize = 128;
/// Bytes of one such result.
pub const CLIENT_RESULT_BYTES: usize = 512 * 1024;
