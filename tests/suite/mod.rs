//! The storage suite: what must hold of a `Store`, on whichever database.
//!
//! Each function takes a fresh, migrated database and opens as many `Store`s ("nodes")
//! on it as it wants. `storage_suite!` makes a test of each; it stands in
//! `tests/it/storage.rs` for SQLite and in `tests/postgres/main.rs` for PostgreSQL.

pub mod app_passwords;
pub mod attempts;
pub mod credentials;
pub mod database;
pub mod events;
pub mod external_accounts;
pub mod federation;
pub mod groups;
pub mod migrations;
pub mod oath_tokens;
pub mod people;
pub mod person;
pub mod registry;
pub mod security_keys;
pub mod sessions;
pub mod throttle;
pub mod watch;

/// One test a function; `$fresh` is an async function that gives a `Database`.
macro_rules! each_in_modules {
    ($fresh:path; $($module:ident: $($test:ident)+;)+) => {$(
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    super::suite::$module::$test($fresh().await).await;
                }
            )+
        }
    )+};
}

macro_rules! storage_suite {
    ($fresh:path) => {
        suite::each_in_modules! { $fresh;
            watch: of_many_nodes_one_has_the_turn findings_and_messages_read_back how_the_database_is_kept_is_told;
            migrations: four_nodes_migrate_at_once migrating_again_changes_nothing
                an_unknown_or_altered_migration_stops_everything;
            federation: a_change_reads_back_with_its_entries the_events_of_a_domains_changes_are_its_own attack_28_one_change_of_a_domain_is_open;
            people: a_person_reads_back names_and_immutable_ids_are_taken_once
                an_immutable_id_is_never_anothers many_names_and_values_are_asked_for_at_a_time of_many_at_once_one_gets_the_name people_come_in_pages
                an_impossible_value_is_named a_failed_transaction_cannot_be_committed
                a_reader_keeps_its_view many_who_read_and_then_write_all_succeed a_locked_database_is_unavailable
                a_neighbour_who_writes_without_a_pause_lets_others_write a_closed_store_is_unavailable;
            credentials: a_password_is_replaced_and_rehashed attack_3_a_secret_counts_once_confirmed
                attack_3_one_code_counts_once attack_3_twenty_submissions_at_once
                attack_5_a_pass_has_a_beginning_and_an_end attack_28_a_hundred_redemptions_of_a_pass
                attack_28_a_revoked_pass_stays_revoked
                attack_28_a_kept_pass_is_found_in_its_time_and_no_longer attack_5_a_new_pass_replaces_the_former
                two_passes_at_once_leave_one attack_38_what_is_used_up_or_revoked_stays_so;
            app_passwords: an_application_password_reads_back attack_38_a_revoked_one_is_not_revived_by_hand
                attack_28_one_use_and_its_revocation_at_once
                what_was_revoked_is_one_look_however_many_events_there_are;
            external_accounts: an_account_reads_back_and_is_one_persons
                attack_28_of_many_links_at_once_one_stands attack_38_an_account_moved_by_hand_is_refused
                what_is_told_of_links_reads_back links_are_counted_by_their_index;
            oath_tokens: a_token_reads_back a_serial_is_there_once_whoever_made_it
                tokens_come_in_the_order_of_their_serials what_a_token_became_tells_when_it_was_used
                attack_38_a_token_moved_by_hand_is_refused attack_3_of_tokens_with_one_secret_one_is_active
                attack_38_of_a_secret_that_was_taken_away_nothing_is_left attack_28_fifty_hands_at_once;
            attempts: an_attempt_reads_back attack_15_a_request_has_one_attempt attack_1_an_attempt_keeps_its_person
                attack_28_a_hundred_answers_at_once attack_5_an_answer_comes_in_time
                a_person_whose_attempts_end an_attempt_begins_anew attempts_are_counted_by_source
                evidence_is_one_of_a_kind attack_38_evidence_that_was_copied_is_refused
                attack_6_an_enrolment_is_finished_once attack_5_an_enrolment_ends
                what_is_old_is_forgotten attack_28_a_request_is_known_after_its_attempt_was_ended;
            sessions: a_session_reads_back attack_38_a_session_written_by_hand_is_refused
                attack_28_an_ended_session_stays_ended
                a_session_that_begins_meanwhile_ends_too a_session_is_used_forwards
                parties_are_remembered round_trips_are_those_of_one_browser browsers_are_known_by_person notices_wait_until_seen;
            security_keys: a_key_reads_back a_credential_id_is_taken_once_for_ever
                attack_28_fifty_registrations_of_one_id a_counter_never_goes_back
                attack_28_a_key_and_its_copies_at_once attack_28_one_question_answered_fifty_times
                attack_5_a_question_is_of_its_purpose_and_ends;
            throttle: the_database_waits_as_lockout_says who_read_the_clock_earlier_need_not_wait
                attack_2_fifty_sessions_share_one_counter
                attack_4_a_rollback_is_no_free_guess tries_come_back waits_are_lifted_by_person failures_in_a_row_are_kept;
            events: an_event_reads_back sign_ins_to_the_own_pages_are_found numbers_have_no_gap_after_rollbacks_and_races
                a_rollback_leaves_no_event refusals_are_counted_not_stored
                an_attempt_has_one_receipt receipts_read_back receipts_of_a_period_come_in_pages
                acts_are_told_and_missing_events_are_noticed;
            groups: people_are_in_groups attack_35_the_number_only_grows attack_35_many_nodes_load_at_once
                the_last_refusal_is_found;
            registry: domains_read_back tenants_read_back relying_parties_read_back attack_28_a_hundred_first_keys
                attack_28_a_first_key_waits_for_another
                keys_read_back_and_are_sealed_anew a_key_moves_from_where_it_was_read
                attack_28_one_key_is_active who_knows_a_key_reads_back one_master_key everything_ends;
        }
    };
}
pub(crate) use {each_in_modules, storage_suite};
