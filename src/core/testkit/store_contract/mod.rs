//! What every store must do, as tests.
//!
//! A store's own test file is a [`Lab`] and one line:
//!
//! ```ignore
//! dovvybuddy_core::store_contract!(my_lab);
//! ```
//!
//! where `async fn my_lab() -> impl Lab` opens an empty store. Each rule becomes a test of its name, on
//! a store of its own.

use std::sync::Arc;

use async_trait::async_trait;

use crate::store::Store;

pub mod alerts;
pub mod attempts;
pub mod identities;
pub mod inbox;
pub mod knowledge;
pub mod lanes;
pub mod leads;
pub mod leases;
pub mod ledger;
pub mod news;
pub mod outbox;
pub mod overview;
pub mod pauses;
pub mod placeholders;
pub mod privacy;
pub mod sessions;
pub mod turns;
pub mod upkeep;

mod make;

/// How a store's process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Without a word, as by SIGKILL.
    Crash,
    /// By [`crate::store::Upkeep::close`].
    Clean,
}

/// A store under test.
#[async_trait]
pub trait Lab: Send + Sync {
    /// The open store. It holds at most [`MOST_WAITING`] waiting events.
    fn store(&self) -> Arc<dyn Store>;

    /// Ends the store's process and starts another on the same data. Handles from before are dropped by
    /// the rule first.
    async fn reopen(&mut self, how: Stop);

    /// Every file that holds the store's data, as bytes; empty where the store has no files of its own.
    fn files(&self) -> Vec<Vec<u8>>;
}

/// How many events a store under test may hold waiting.
pub const MOST_WAITING: usize = 200;

/// Makes a test of every rule; `$lab` names an `async fn() -> impl Lab`.
#[macro_export]
macro_rules! store_contract {
    ($lab:ident) => {
        $crate::store_contract!(@rules $lab,
            inbox {
                a_new_event_opens_the_session,
                the_conversations_session_is_kept,
                a_repeated_event_changes_nothing,
                a_repeat_of_a_finished_event_names_its_turn,
                the_same_id_elsewhere_is_another_event,
                of_concurrent_repeats_one_is_new,
                a_refused_event_leaves_no_trace,
                a_repeat_is_not_charged,
                limits_follow_gcra,
                of_concurrent_charges_no_more_than_the_burst_pass,
                a_full_queue_refuses_before_writing,
                an_answered_event_needs_no_lane,
                an_answered_event_repeats_as_a_duplicate,
                an_alarm_leaves_profile_and_state_alone,
                an_alarm_may_begin_the_session_anew,
                a_running_turn_does_not_undo_an_alarm,
                an_alarm_found_only_in_the_turn_stands,
                standing_down_ends_an_alarm,
                the_backlog_counts_what_waits,
                the_newest_event_of_each_conversation_is_known,
            }
            lanes {
                nothing_waits_nothing_is_claimed,
                events_of_a_lane_come_in_order_one_by_one,
                a_lane_is_not_handed_out_twice,
                lanes_are_served_oldest_first,
                concurrent_workers_share_the_lanes,
                a_burst_comes_together_once_it_settled,
                a_burst_that_never_pauses_is_answered_at_last,
                a_command_after_a_burst_does_not_wait_for_it,
                a_burst_is_of_one_sender,
                a_clock_that_is_put_back_holds_up_no_message,
                a_waiter_is_woken_by_an_event,
                a_waiter_gives_up_in_time,
                a_stale_claim_can_not_finish,
                a_renewed_lease_holds,
                a_parked_claim_comes_again_uncounted,
                fences_grow,
            }
            attempts {
                waiting_events_survive_a_crash_in_order,
                covered_events_do_not_come_again,
                a_crash_counts_as_a_try,
                three_crashes_show_in_the_fourth_claim,
                a_soft_stop_is_no_crash,
                what_runs_at_a_clean_stop_is_another_attempt_and_no_crash,
                parking_a_suspect_counts_nothing,
                suspects_run_one_at_a_time,
                a_claim_from_before_a_crash_can_not_finish,
            }
            turns {
                a_finished_turn_is_all_there,
                a_turn_is_waited_for_until_it_has_a_reply_or_is_erased,
                a_command_leaves_no_message,
                a_burst_is_covered_by_one_turn,
                a_turn_is_finished_once,
                a_finished_lane_is_free,
                a_rating_is_kept_and_replaced,
                concurrent_turns_all_finish,
            }
            sessions {
                an_unknown_conversation_has_no_session,
                an_opened_session_is_found,
                a_session_is_found_by_id_within_its_bot,
                history_is_the_newest_messages_oldest_first,
                a_restart_hides_what_was_said,
                the_profile_belongs_to_the_diver,
                a_conversation_goes_on_under_another_name,
            }
            outbox {
                parts_come_one_by_one_in_order,
                a_clock_that_is_put_back_holds_up_no_part,
                outlets_and_conversations_do_not_wait_for_each_other,
                a_retry_waits_and_holds_back_the_next,
                a_dead_part_lets_the_next_pass,
                a_dead_part_is_revived_once_and_comes_last,
                a_status_only_moves_forward_and_goes_with_its_diver,
                an_uncertain_part_comes_again_marked,
                a_crash_makes_a_started_part_uncertain,
                a_sent_part_stays_sent_after_a_crash,
                payloads_come_as_they_were_rendered,
                concurrent_senders_take_each_part_once,
                an_alarms_parts_go_first,
                a_waiter_for_parts_is_woken,
                parts_outlive_a_crash,
            }
            news {
                news_begins_at_the_first_look_and_is_told_once,
                erased_news_is_not_told_and_hides_nothing,
            }
            placeholders {
                the_first_part_replaces_the_placeholder,
                a_placeholder_outlives_a_crash,
                a_forgotten_placeholder_is_left_alone,
            }
            alerts {
                leads_and_emergencies_raise_alerts_once,
                an_emergency_found_in_the_turn_raises_an_alert,
                an_alert_is_told_until_it_is_seen,
                what_is_on_its_way_is_not_told_again,
                one_conversation_is_one_alert_until_it_is_seen,
                the_first_look_goes_back_an_hour,
                an_erased_emergency_is_told_no_more,
                alerts_outlive_a_crash,
            }
            identities {
                a_diver_is_a_person_alone,
                a_code_joins_two_identities_once,
                names_that_a_platform_proves_are_joined,
                a_code_has_its_time,
                guessing_is_barred,
                a_code_is_tried_three_times,
                ones_own_code_joins_nothing,
                bots_are_apart,
                a_person_has_one_profile,
                a_person_has_one_limit,
                a_person_is_exported_and_erased_whole,
                identities_outlive_a_crash,
            }
            pauses {
                a_pause_holds_until_its_end,
                a_pause_can_be_changed_and_ended,
                a_persons_words_are_a_turn_nobody_asked_for,
                without_a_session_nothing_is_said,
                what_nobody_answered_is_left,
                what_a_person_answered_is_not_left,
                what_is_taken_up_leaves_its_first_turn,
                a_pause_begun_anew_is_not_closed,
                of_a_conversation_begun_anew_nothing_is_left,
                pauses_outlive_a_crash,
                an_erased_conversation_is_not_paused,
            }
            overview {
                conversations_come_newest_first_in_pages,
                conversations_can_be_filtered,
                a_conversations_turns_tell_everything,
                ratings_tell_what_was_rated,
                open_questions_are_those_not_covered,
                figures_add_up_by_step_channel_and_agent,
                latencies_are_of_what_was_answered,
                the_mark_differs_after_every_change,
                the_audit_keeps_who_looked_at_what,
            }
            leads {
                a_lead_is_stored_with_its_deliveries,
                a_lead_without_deliveries_is_stored,
                the_state_of_a_delivery_shows,
                a_lead_can_be_sent_again,
                leads_come_newest_first_within_their_bot,
            }
            leases {
                a_name_is_held_until_it_is_let_go,
                a_dead_process_holds_nothing,
                a_holders_word_outlives_it,
            }
            ledger {
                what_is_reserved_counts,
                settling_replaces_the_reservation,
                settling_twice_changes_nothing,
                no_cap_is_passed_under_concurrency,
                a_cap_of_zero_is_none,
                days_and_divers_are_counted_apart,
            }
            knowledge {
                a_document_comes_back_whole,
                a_replaced_document_leaves_nothing_behind,
                a_document_belongs_to_one_root,
                a_removed_document_takes_everything_along,
                vectors_of_other_models_are_not_mixed,
                equal_words_are_embedded_once,
                unknown_passages_are_skipped,
                many_passages_come_in_order,
                versions_are_told_newest_first,
                a_rollback_restores_the_version_before,
                a_withdrawn_version_is_not_returned_to,
                only_the_newest_versions_are_kept,
            }
            privacy {
                an_export_holds_everything,
                nothing_held_exports_nothing,
                an_erased_session_leaves_no_trace,
                an_erased_diver_leaves_no_trace_in_the_files,
                erasing_one_spares_the_others,
                an_erased_event_is_not_claimed,
                a_turn_that_ends_after_the_erasure_writes_nothing,
                the_answer_to_a_command_survives_its_erasure,
                leads_go_only_if_asked,
                an_erased_lead_is_not_delivered,
                old_things_expire_and_new_ones_stay,
                event_ids_outlive_short_retention,
            }
            upkeep {
                a_store_answers_its_ping,
                a_closed_store_refuses,
                the_schema_says_for_whom_it_is,
                a_key_is_found_by_its_hash_until_revoked,
                an_unknown_key_is_not_revoked,
            }
        );
    };
    (@rules $lab:ident, $($topic:ident { $($rule:ident,)* })*) => {
        $(mod $topic {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    let mut lab = super::$lab().await;
                    $crate::testkit::store_contract::$topic::$rule(&mut lab).await;
                }
            )*
        })*
    };
}
