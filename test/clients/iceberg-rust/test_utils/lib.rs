//! What the catalog suites of iceberg-rust take from a crate of its repository that is not published.

pub fn set_up() {}

pub fn get_rest_catalog_endpoint() -> String {
    std::env::var("CATALOG_URI").expect("CATALOG_URI names the catalog")
}

pub fn get_glue_endpoint() -> String {
    unimplemented!("only the REST catalog is tested")
}

pub fn get_hms_endpoint() -> String {
    unimplemented!("only the REST catalog is tested")
}

pub fn get_minio_endpoint() -> String {
    unimplemented!("only the REST catalog is tested")
}

/// A name of the parts that no other suite uses.
#[macro_export]
macro_rules! normalize_test_name_with_parts {
    ($($part:expr),+ $(,)?) => {
        [module_path!(), $($part),+].join("_").replace("::", "_")
    };
}
