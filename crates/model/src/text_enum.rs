//! The macro that defines an enum whose values have texts.

/// Defines an enum, the list `ALL` of its values, and `as_str`, which returns the text of a value.
///
/// All three come from one list. A value that is missing in `ALL` would compile, and would then be missing in
/// the metrics, reports and documents that iterate over `ALL`.
///
/// ```
/// switchboard_model::text_enum! {
///     /// A direction.
///     #[derive(Debug, Clone, Copy, PartialEq, Eq)]
///     pub enum Direction {
///         /// The direction from the client to the company.
///         Inbound => "inbound",
///         /// The direction from the company to the client.
///         Outbound => "outbound",
///     }
/// }
///
/// assert_eq!(Direction::ALL.map(Direction::as_str), ["inbound", "outbound"]);
/// ```
#[macro_export]
macro_rules! text_enum {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$variant_attribute:meta])* $variant:ident $(= $number:literal)? => $text:literal,)+
        }
    ) => {
        $(#[$attribute])*
        $visibility enum $name {
            $($(#[$variant_attribute])* $variant $(= $number)?,)+
        }

        impl $name {
            /// All values, in the order in which the enum declares them.
            $visibility const ALL: [$name; [$($text),+].len()] = [$($name::$variant),+];

            /// Returns the text of the value in files, queries, answers, metrics and reports.
            #[inline]
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)+
                }
            }
        }
    };
}
