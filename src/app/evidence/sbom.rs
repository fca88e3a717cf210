//! What claimbridge is made of: CycloneDX 1.6 (ECMA-424), from the Cargo.lock that it was built by.
//!
//! Always true: nothing that only tests use is in it; what a lock file cannot tell — features,
//! platform, whether a library only helps to build — is not guessed: those are in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::base::clock::Timestamp;

const LOCK: &str = include_str!("../../../Cargo.lock");
const MANIFEST: &str = include_str!("../../../Cargo.toml");

/// Why there is no list: the embedded files are not as Cargo writes them.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the embedded Cargo.lock cannot be read: {0}")]
pub struct SbomError(String);

/// A package of the lock file.
struct Package {
    name: String,
    version: String,
    checksum: Option<String>,
    dependencies: Vec<String>,
}

impl Package {
    /// Package URL (purl specification, type cargo): also its name within the document.
    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }
}

/// The bill of materials, dated `at`.
pub fn sbom(at: Timestamp) -> Result<Value, SbomError> {
    of(LOCK, MANIFEST, at)
}

fn of(lock: &str, manifest: &str, at: Timestamp) -> Result<Value, SbomError> {
    let packages = packages(lock)?;
    let own = direct_dependencies(manifest)?;
    let root = packages
        .iter()
        .find(|package| package.name == env!("CARGO_PKG_NAME"))
        .ok_or_else(|| SbomError("it has no entry for claimbridge".to_owned()))?;
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut open: Vec<&Package> = vec![root];
    let mut components: BTreeMap<String, &Package> = BTreeMap::new();
    while let Some(package) = open.pop() {
        if edges.contains_key(&package.purl()) {
            continue;
        }
        let mut on = BTreeSet::new();
        for named in &package.dependencies {
            let dependency = find(&packages, named)?;
            if std::ptr::eq(package, root) && !own.contains(&dependency.name) {
                continue; // for tests only
            }
            on.insert(dependency.purl());
            components.insert(dependency.purl(), dependency);
            open.push(dependency);
        }
        edges.insert(package.purl(), on);
    }
    let components: Vec<Value> = components
        .values()
        .map(|package| component(package))
        .collect();
    let dependencies: Vec<Value> = edges
        .iter()
        .map(|(purl, on)| json!({"ref": purl, "dependsOn": on}))
        .collect();
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": at.to_rfc3339(),
            "component": {
                "type": "application", "bom-ref": root.purl(), "name": root.name,
                "version": root.version, "purl": root.purl(),
            },
            "properties": [{
                "name": "claimbridge:scope",
                "value": "all libraries of Cargo.lock that are not for tests only, for all platforms and features; some only help to build",
            }],
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

fn component(package: &Package) -> Value {
    let mut component = json!({
        "type": "library", "bom-ref": package.purl(), "name": package.name,
        "version": package.version, "purl": package.purl(),
    });
    if let Some(checksum) = &package.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    component
}

fn packages(lock: &str) -> Result<Vec<Package>, SbomError> {
    let lock: toml::Table = lock
        .parse()
        .map_err(|error: toml::de::Error| SbomError(error.message().to_owned()))?;
    let text = |package: &toml::Value, name: &str| {
        package
            .get(name)
            .and_then(toml::Value::as_str)
            .map(str::to_owned)
    };
    let packages = lock.get("package").and_then(toml::Value::as_array);
    packages
        .into_iter()
        .flatten()
        .map(|package| {
            let missing = || SbomError("a package has no name or version".to_owned());
            let dependencies = package.get("dependencies").and_then(toml::Value::as_array);
            Ok(Package {
                name: text(package, "name").ok_or_else(missing)?,
                version: text(package, "version").ok_or_else(missing)?,
                checksum: text(package, "checksum"),
                dependencies: dependencies
                    .into_iter()
                    .flatten()
                    .filter_map(|named| named.as_str().map(str::to_owned))
                    .collect(),
            })
        })
        .collect()
}

/// What our own manifest asks for, tests aside.
fn direct_dependencies(manifest: &str) -> Result<BTreeSet<String>, SbomError> {
    let manifest: toml::Table = manifest
        .parse()
        .map_err(|error: toml::de::Error| SbomError(error.message().to_owned()))?;
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    Ok(dependencies
        .into_iter()
        .flat_map(toml::Table::keys)
        .cloned()
        .collect())
}

/// `name`, or `name version` where there are several.
fn find<'p>(packages: &'p [Package], named: &str) -> Result<&'p Package, SbomError> {
    let mut words = named.split(' ');
    let (name, version) = (words.next().unwrap_or_default(), words.next());
    packages
        .iter()
        .find(|package| {
            package.name == name && version.is_none_or(|version| package.version == version)
        })
        .ok_or_else(|| SbomError(format!("{named} is not in it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_795_168_800_000);

    #[test]
    fn it_lists_what_is_built_in_and_nothing_that_only_tests_use() {
        let sbom = sbom(AT).unwrap();
        assert_eq!(sbom["bomFormat"], "CycloneDX");
        assert_eq!(sbom["specVersion"], "1.6");
        let components = sbom["components"].as_array().unwrap();
        let names: Vec<&str> = components
            .iter()
            .map(|component| component["name"].as_str().unwrap())
            .collect();
        for there in ["axum", "aws-lc-rs", "aws-lc-sys", "samael", "sqlx"] {
            assert!(names.contains(&there), "{there}");
        }
        for not in ["insta", "criterion", "thirtyfour", "claimbridge"] {
            assert!(!names.contains(&not), "{not}");
        }
        for component in components {
            let hash = component["hashes"][0]["content"].as_str().unwrap();
            assert_eq!(hash.len(), 64, "{component}");
        }
        let refs: BTreeSet<&str> = sbom["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|edge| edge["ref"].as_str().unwrap())
            .collect();
        assert_eq!(refs.len(), components.len() + 1);
        let on = sbom["dependencies"].as_array().unwrap().iter();
        for purl in on.flat_map(|edge| edge["dependsOn"].as_array().unwrap()) {
            assert!(refs.contains(purl.as_str().unwrap()), "{purl}");
        }
    }

    #[test]
    fn two_versions_are_two_components() {
        let lock = r#"
            [[package]]
            name = "claimbridge"
            version = "1.0.0"
            dependencies = ["a 1.0.0", "t"]
            [[package]]
            name = "a"
            version = "1.0.0"
            checksum = "aa"
            dependencies = ["a 0.9.0"]
            [[package]]
            name = "a"
            version = "0.9.0"
            checksum = "bb"
            dependencies = ["a 1.0.0"]
            [[package]]
            name = "t"
            version = "3.0.0"
        "#;
        let manifest = "[dependencies]\na = \"1\"\n[dev-dependencies]\nt = \"3\"";
        let sbom = of(lock, manifest, AT).unwrap();
        let purls: Vec<&Value> = sbom["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|component| &component["purl"])
            .collect();
        assert_eq!(purls, ["pkg:cargo/a@0.9.0", "pkg:cargo/a@1.0.0"]);
        assert!(of("", manifest, AT).is_err());
        assert!(of("package = [{}]", manifest, AT).is_err());
    }
}
