//! The fixed sentences the daemon needs, by name. Their words stand in `prompts/phrases/<lang>.toml`.

macro_rules! phrases {
    ($($(#[$doc:meta])* $name:ident = $key:literal,)*) => {
        /// A fixed sentence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Phrase {
            $($(#[$doc])* $name,)*
        }

        impl Phrase {
            /// All of them; a catalogue must have each in every language.
            pub const ALL: [Self; [$($key),*].len()] = [$(Self::$name),*];

            /// The key of the sentence in the catalogue files.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$name => $key,)*
                }
            }
        }
    };
}

phrases! {
    /// Said before the first answer of a session: an automated assistant, no instructor, no physician.
    Introduction = "introduction",
    /// A greeting returned, with what one can ask.
    Greeting = "greeting",
    /// An answer to thanks or goodbye.
    Thanks = "thanks",
    /// Who one is talking to, and what it can do.
    Help = "help",
    /// The question is about diving but the content does not cover it.
    NotCovered = "not_covered",
    /// The question asks how things are now (weather, sea, what is open), which no content can know.
    NoLive = "no_live",
    /// Whom to call if there is an emergency after all.
    IfEmergency = "if_emergency",
    /// The question is the operator's (prices, hours) and no operator's content answers it.
    AskOperator = "ask_operator",
    /// The question lies outside diving.
    OutOfScope = "out_of_scope",
    /// Something failed; nothing is lost, please ask again.
    Fallback = "fallback",
    /// An answer was cut short by an emergency in the same conversation.
    CutShort = "cut_short",
    /// A person has taken over the conversation and answers there; emergencies are still answered at once.
    WithPerson = "with_person",
    /// A message was left to the person who has the conversation.
    PassedOn = "passed_on",
    /// Too many messages; answering goes on soon.
    SlowDown = "slow_down",
    /// A voice message, photo or file can't be read; what to do if it is an emergency.
    Unsupported = "unsupported",
    /// The platform hides the words of a message that does not name the bot; what to do instead.
    Unseen = "unseen",
    /// A new conversation begins.
    NewConversation = "new_conversation",
    /// What is kept, for how long, and how to have it removed.
    Privacy = "privacy",
    /// Everything about the diver was removed.
    Forgotten = "forgotten",
    /// Nothing is remembered of the diver yet.
    EmptyProfile = "empty_profile",
    /// Introduces what is remembered of the diver.
    ProfileHeading = "profile_heading",
    /// What the diver wanted forgotten is.
    ProfileErased = "profile_erased",
    /// What the diver told of themselves is remembered; nothing was asked.
    ProfileNoted = "profile_noted",
    /// Something was told that the content says nothing of; nothing was asked.
    Listening = "listening",
    /// An answer to "ok" and the like.
    Nod = "nod",
    /// There are no words to go by.
    Unclear = "unclear",
    /// An answer to "that is wrong" and "you are useless".
    Complaint = "complaint",
    /// No answer with sources was given yet.
    NoSources = "no_sources",
    /// Acknowledges a worry before the answer.
    WorryAcknowledged = "worry_acknowledged",
    /// One next step for a worried diver, with an instructor offered.
    WorryNextStep = "worry_next_step",
    /// What is asked for lies deeper than the diver's certificate is taken for.
    BeyondCertificate = "beyond_certificate",
    /// Introduces what the safety agent adds to another agent's answer.
    SafetyNote = "safety_note",
    /// Added where fitness or medicines are concerned: a dive physician decides.
    AskPhysician = "ask_physician",
    /// Introduces English passages under a question in another language.
    QuotedInEnglish = "quoted_in_english",
    /// The word before the list of sources.
    Sources = "sources",
    /// Acknowledges that what was reported is no emergency.
    StoodDown = "stood_down",
    /// A placeholder, while an answer is being written.
    Working = "working",
    /// Said in a group: what was asked for is answered in private.
    WritePrivately = "write_privately",
    /// A rating was noted; a few words beside the conversation.
    RatingNoted = "rating_noted",
    /// A button's turn is not kept any more.
    ButtonExpired = "button_expired",
    /// Introduces the one-time code that joins this chat with another one.
    LinkCode = "link_code",
    /// Two identities are joined.
    Linked = "linked",
    /// The code is wrong, used or too old.
    LinkFailed = "link_failed",
    /// Too many wrong codes.
    LinkTries = "link_tries",
    /// The code was given here; it is to be entered elsewhere.
    LinkOwn = "link_own",
    /// This channel knows nobody, so there is nobody to join.
    LinkUnavailable = "link_unavailable",
    /// The lead flow begins: a course or a trip?
    LeadKind = "lead_kind",
    /// The lead flow asks for a name.
    LeadName = "lead_name",
    /// The lead flow asks how the diver can be reached.
    LeadReach = "lead_reach",
    /// That was no way to reach anybody.
    LeadReachAgain = "lead_reach_again",
    /// The lead flow asks what the diver wants.
    LeadWish = "lead_wish",
    /// Introduces exactly what will be sent, and says to whom.
    LeadConfirm = "lead_confirm",
    /// Asks whether to send it; worries and health stay out unless they were added.
    LeadSend = "lead_send",
    /// The lead is stored and on its way.
    LeadSent = "lead_sent",
    /// The lead flow was stopped; nothing was sent.
    LeadCancelled = "lead_cancelled",
    /// There is nothing to stop.
    NothingToCancel = "nothing_to_cancel",
    /// A field of the lead: what it is about.
    FieldAbout = "field_about",
    /// A field of the lead: the name.
    FieldName = "field_name",
    /// A field of the lead: how to reach the diver.
    FieldContact = "field_contact",
    /// A field of the lead: the diver's own words.
    FieldMessage = "field_message",
    /// A field of the profile: the agency.
    FieldAgency = "field_agency",
    /// A field of the profile: the certification.
    FieldLevel = "field_level",
    /// A field of the profile: logged dives.
    FieldDives = "field_dives",
    /// A field of the profile: when the last dive was.
    FieldLastDive = "field_last_dive",
    /// A field of the profile: worries and conditions.
    FieldConcerns = "field_concerns",
    /// A field of the profile: where the diver is.
    FieldRegion = "field_region",
    /// A field of the profile: where the diver wants to go.
    FieldTravelPlans = "field_travel_plans",
    /// A field of the profile: metric or imperial.
    FieldUnits = "field_units",
    /// A field of the profile: the language.
    FieldLanguage = "field_language",
    /// A button: a course.
    ButtonTraining = "button_training",
    /// A button: a trip.
    ButtonTrip = "button_trip",
    /// A button: to be answered in this chat.
    ButtonHere = "button_here",
    /// A button: leave this step out.
    ButtonSkip = "button_skip",
    /// A button: send the lead.
    ButtonSend = "button_send",
    /// A button: stop the lead flow.
    ButtonCancel = "button_cancel",
    /// A button: add worries and health to the lead.
    ButtonAddConcerns = "button_add_concerns",
    /// A button: leave worries and health out of the lead again.
    ButtonDropConcerns = "button_drop_concerns",
    /// A button: be put in touch with a professional.
    ButtonConnect = "button_connect",
    /// A button under an emergency reply: it is none.
    ButtonNotAnEmergency = "button_not_an_emergency",
    /// A button under an alert: somebody saw it.
    ButtonSeen = "button_seen",
    /// What the operator's chat is told of an emergency, before the details.
    AlertEmergency = "alert_emergency",
    /// What the operator's chat is told of a lead, before the details.
    AlertLead = "alert_lead",
    /// An alert was acknowledged.
    AlertSeen = "alert_seen",
    /// Describes `/ask` in a platform's list of commands.
    MenuAsk = "menu_ask",
    /// Describes `/start`.
    MenuStart = "menu_start",
    /// Describes `/help`.
    MenuHelp = "menu_help",
    /// Describes `/new`.
    MenuNew = "menu_new",
    /// Describes `/profile`.
    MenuProfile = "menu_profile",
    /// Describes `/sources`.
    MenuSources = "menu_sources",
    /// Describes `/connect`.
    MenuConnect = "menu_connect",
    /// Describes `/cancel`.
    MenuCancel = "menu_cancel",
    /// Describes `/link`.
    MenuLink = "menu_link",
    /// Describes `/privacy`.
    MenuPrivacy = "menu_privacy",
    /// Describes `/export`.
    MenuExport = "menu_export",
    /// Describes `/forget`.
    MenuForget = "menu_forget",
}
