//! `section!`: one declaration from which come a section's type, its reader and its page of the manual.

/// Declares a section: a struct whose fields carry their key, reader and what holds when the key is left out.
/// The doc comments are the manual. A function after `checked by` sees the section once all its keys are read, and complains
/// about keys that contradict each other.
macro_rules! section {
    (
        $name:literal,
        $(#[doc = $manual:literal])*
        $(#[derive($($derive:ident),*)])?
        pub struct $type:ident {
            $(
                $(#[doc = $doc:literal])*
                $key:literal => $field:ident: $field_type:ty, $presence:ident $(($($argument:tt)*))?;
            )*
        }
        later [$($later:literal),* $(,)?]
        $(exactly one of [$($way:literal),*])?
        $(checked by $check:path)?
    ) => {
        $(#[doc = $manual])*
        #[derive(Debug $($(, $derive)*)?)]
        pub struct $type {
            $($(#[doc = $doc])* pub $field: $field_type,)*
        }

        impl $crate::config::section::Sectioned for $type {
            const SECTION: $crate::config::section::Section = $crate::config::section::Section {
                name: $name,
                manual: concat!($($manual, "\n"),*),
                keys: &[$(
                    $crate::config::declare::section_key!(
                        $key, concat!($($doc, "\n"),*), $presence $(($($argument)*))?
                    ),
                )*],
                later: &[$($later),*],
                one_of: &[$($($way),*)?],
            };

            fn read(
                node: &$crate::config::node::Node<'_>,
                owner: $crate::config::Span,
                reading: &$crate::config::reading::Reading<'_>,
            ) -> Option<Self> {
                const SECTION: &$crate::config::section::Section =
                    &<$type as $crate::config::section::Sectioned>::SECTION;
                let fields = $crate::config::section::Fields::open(SECTION, node, owner, reading)?;
                $(
                    let $field = $crate::config::declare::section_field!(
                        fields, $key, $presence $(($($argument)*))?
                    );
                )*
                let section = $type { $($field: $field?),* };
                $($check(&section, &fields);)?
                Some(section)
            }
        }
    };
}

/// A row of the manual.
macro_rules! section_key {
    ($key:literal, $doc:expr, required($form:expr)) => {
        $crate::config::declare::section_key!(@ $key, $doc, $form.form, $form.example, $form.shape, Required, None)
    };
    ($key:literal, $doc:expr, optional($form:expr)) => {
        $crate::config::declare::section_key!(@ $key, $doc, $form.form, $form.example, $form.shape, Nothing, None)
    };
    ($key:literal, $doc:expr, default($form:expr, $default:literal)) => {
        $crate::config::declare::section_key!(@ $key, $doc, $form.form, $form.example, $form.shape, Default($default), None)
    };
    ($key:literal, $doc:expr, section($type:ty)) => {
        $crate::config::declare::section_key!(@ $key, $doc, "section", "{ … }",
            $crate::config::Shape::Section(&<$type as $crate::config::section::Sectioned>::SECTION), Within, $type)
    };
    ($key:literal, $doc:expr, optional_section($type:ty)) => {
        $crate::config::declare::section_key!(@ $key, $doc, "section", "{ … }",
            $crate::config::Shape::Section(&<$type as $crate::config::section::Sectioned>::SECTION), Nothing, $type)
    };
    ($key:literal, $doc:expr, needed_section($type:ty, $example:literal)) => {
        $crate::config::declare::section_key!(@ $key, $doc, "section", $example,
            $crate::config::Shape::Section(&<$type as $crate::config::section::Sectioned>::SECTION), Required, $type)
    };
    ($key:literal, $doc:expr, named($type:ty)) => {
        $crate::config::declare::section_key!(@ $key, $doc, "sections by name", "{ NAME: { … } }",
            $crate::config::Shape::Named(&<$type as $crate::config::section::Sectioned>::SECTION), Required, $type)
    };
    ($key:literal, $doc:expr, optional_named($type:ty)) => {
        $crate::config::declare::section_key!(@ $key, $doc, "sections by name", "{ NAME: { … } }",
            $crate::config::Shape::Named(&<$type as $crate::config::section::Sectioned>::SECTION), Nothing, $type)
    };
    ($key:literal, $doc:expr, list($form:expr, $type:ty)) => {
        $crate::config::declare::section_key!(@ $key, $doc, $form.form, $form.example, $form.shape, Required, $type)
    };
    ($key:literal, $doc:expr, list_unless($form:expr, $type:ty, $path:literal)) => {
        $crate::config::declare::section_key!(@ $key, $doc, $form.form, $form.example, $form.shape, Unless($path), $type)
    };
    ($key:literal, $doc:expr, list_or_none($form:expr, $type:ty)) => {
        $crate::config::declare::section_key!(@ $key, $doc, $form.form, $form.example, $form.shape, Nothing, $type)
    };
    ($key:literal, $doc:expr, optional_within($form:expr, $type:ty)) => {
        $crate::config::declare::section_key!(@ $key, $doc, $form.form, $form.example, $form.shape, Nothing, $type)
    };
    (@ $key:literal, $doc:expr, $form:expr, $example:expr, $shape:expr, $absent:ident $(($default:literal))?, None) => {
        $crate::config::section::Key {
            name: $key, form: $form, example: $example, shape: $shape, manual: $doc, section: None,
            absent: $crate::config::absent::Absent::$absent $(($default))?,
        }
    };
    (@ $key:literal, $doc:expr, $form:expr, $example:expr, $shape:expr, $absent:ident $(($argument:literal))?, $type:ty) => {
        $crate::config::section::Key {
            name: $key, form: $form, example: $example, shape: $shape, manual: $doc,
            section: Some(&<$type as $crate::config::section::Sectioned>::SECTION),
            absent: $crate::config::absent::Absent::$absent $(($argument))?,
        }
    };
}

/// The call that reads a field.
macro_rules! section_field {
    ($fields:ident, $key:literal, default($form:expr, $default:literal)) => {
        $fields.or_default($key, &$form, $default)
    };
    ($fields:ident, $key:literal, list($form:expr, $type:ty)) => {
        $fields.required($key, &$form)
    };
    ($fields:ident, $key:literal, list_unless($form:expr, $type:ty, $path:literal)) => {
        $fields.required_unless($key, &$form, $path)
    };
    ($fields:ident, $key:literal, list_or_none($form:expr, $type:ty)) => {
        $fields.optional($key, &$form).map(Option::unwrap_or_default)
    };
    ($fields:ident, $key:literal, optional_within($form:expr, $type:ty)) => {
        $fields.optional($key, &$form)
    };
    ($fields:ident, $key:literal, section($type:ty)) => {
        $fields.section::<$type>($key)
    };
    ($fields:ident, $key:literal, optional_section($type:ty)) => {
        $fields.optional_section::<$type>($key)
    };
    // that it is missing is said by who reads the type, in its own words
    ($fields:ident, $key:literal, needed_section($type:ty, $example:literal)) => {
        $fields.optional_section::<$type>($key)
    };
    ($fields:ident, $key:literal, named($type:ty)) => {
        $fields.named::<$type>($key)
    };
    ($fields:ident, $key:literal, optional_named($type:ty)) => {
        $fields.optional_named::<$type>($key)
    };
    ($fields:ident, $key:literal, $presence:ident($form:expr)) => {
        $fields.$presence($key, &$form)
    };
}

pub(super) use {section, section_field, section_key};
