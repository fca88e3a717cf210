//! Files of tokens: all of a file, or nothing of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use claimbridge::{
    app::{
        Error,
        oath_tokens::import::{Assigning, ImportOptions, Imported, Mode},
    },
    directory::oath_import::Defaults,
};

use crate::support::World;

const UPN: &str = "agent1@contoso.com";

/// The text, and what stands in the file when it is read for the second time.
async fn import(world: &World, texts: [&str; 2], mode: Mode) -> Result<Imported, Error> {
    let options = ImportOptions {
        defaults: Defaults::default(),
        key: None,
        assigning: Assigning::AsTheFileSays,
        mode,
        operator: "tester",
    };
    let texts = texts.map(|text| text.as_bytes().to_vec());
    let reads = AtomicUsize::new(0);
    let open = || {
        let read = reads.fetch_add(1, Ordering::Relaxed).min(1);
        Ok(Box::new(std::io::Cursor::new(texts[read].clone())) as Box<_>)
    };
    world
        .app()
        .import_oath_tokens(&open, &options, &mut |_| {})
        .await
}

/// Rows with these serial numbers, for `upn` or for nobody.
fn rows(upn: &str, serials: std::ops::RangeInclusive<u32>) -> String {
    use std::fmt::Write as _;
    let head = "upn,serial number,secret key,time interval,manufacturer,model\n".to_owned();
    serials.fold(head, |mut text, serial| {
        let secret = data_encoding::BASE32_NOPAD.encode(format!("{serial:020}").as_bytes());
        writeln!(text, "{upn},{serial},{secret},30,Contoso,c200").unwrap();
        text
    })
}

async fn stored(world: &World) -> usize {
    let listed = world.app().list_oath_tokens(None, 5_000).await.unwrap();
    listed.len()
}

#[tokio::test]
async fn a_file_that_turns_bad_late_leaves_nothing() {
    let world = World::new().await;
    let good = rows("", 1..=1_200);
    let bad = good.replace(",1150,", ",1149,");
    let imported = import(&world, [&good, &bad], Mode::Whole).await.unwrap();
    assert_eq!((imported.imported, imported.failed.len()), (0, 1));
    assert_eq!(imported.failed[0].line, 1_151);
    assert_eq!(stored(&world).await, 0, "not the batches before it either");
    // Cut while it was read: no row of it is bad.
    let cut = rows("", 1..=1_100);
    let refused = import(&world, [&good, &cut], Mode::Whole).await;
    assert!(refused.unwrap_err().to_string().contains("changed"));
    assert_eq!(stored(&world).await, 0);
    // Who wants the good rows gets them.
    let imported = import(&world, [&good, &bad], Mode::GoodRows).await.unwrap();
    assert_eq!((imported.imported, imported.failed.len()), (1_199, 1));
    assert_eq!(stored(&world).await, 1_199);
    let again = import(&world, [&good, &good], Mode::Whole).await.unwrap();
    assert_eq!((again.imported, again.failed.len()), (0, 1_199));
    assert_eq!(stored(&world).await, 1_199);
}

#[tokio::test]
async fn a_person_gets_no_more_tokens_by_one_file_than_one_after_the_other() {
    let world = World::new().await;
    world.add_user(UPN).await;
    let eleven = rows(UPN, 1..=11);
    for mode in [Mode::DryRun, Mode::Whole] {
        let imported = import(&world, [&eleven, &eleven], mode).await.unwrap();
        assert_eq!((imported.good, imported.imported), (10, 0), "{mode:?}");
        assert_eq!(imported.failed[0].line, 12);
        assert!(imported.failed[0].reason.contains("10 tokens"));
        assert_eq!(stored(&world).await, 0);
    }
    let imported = import(&world, [&eleven, &eleven], Mode::GoodRows)
        .await
        .unwrap();
    assert_eq!((imported.imported, imported.assigned), (10, 10));
}

#[tokio::test]
async fn what_is_kept_of_bad_rows_is_bounded() {
    let world = World::new().await;
    let many = format!("serial,secret\n{}", "1,-\n".repeat(100_001));
    let refused = import(&world, [&many, &many], Mode::DryRun).await;
    assert!(refused.unwrap_err().to_string().contains("100000 bad rows"));
}
