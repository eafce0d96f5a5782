//! People whom the platform names in two ways: by their number, and by an id of its own where they hide it. Only a
//! message that carries both proves that they are one; from then on the number is their name.

use std::time::Duration;

use dovvybuddy_core::intake::Intake;
use dovvybuddy_core::store::StoreError;

use super::WhatsApp;
use super::number::is_number;

/// How long looking somebody up may hold up what they say: it may be an emergency.
const PATIENCE: Duration = Duration::from_millis(500);

impl WhatsApp {
    /// The name a person is kept under. `also`: what the same message names them by besides.
    pub(super) async fn name_of(&self, person: &str, also: Option<&str>, intake: &Intake) -> String {
        let looked_up = async {
            match also {
                Some(also) => self.join(also, person, intake).await.map(|()| person.to_owned()),
                None if is_number(person) => Ok(person.to_owned()),
                None => self.number_of(person, intake).await,
            }
        };
        match tokio::time::timeout(PATIENCE, looked_up).await {
            Ok(Ok(name)) => name,
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "whether somebody is known by another name can't be told");
                person.to_owned()
            }
            Err(_) => person.to_owned(),
        }
    }

    /// One message named somebody in both ways.
    async fn join(&self, id: &str, number: &str, intake: &Intake) -> Result<(), StoreError> {
        if self.names.get(id).is_some_and(|known| known == number) {
            return Ok(());
        }
        if intake.one_person(&self.conversation(id), &self.conversation(number)).await? {
            self.names.insert(id.to_owned(), number.to_owned());
        }
        Ok(())
    }

    /// The number of somebody who hides it now, if an earlier message carried it.
    async fn number_of(&self, id: &str, intake: &Intake) -> Result<String, StoreError> {
        if let Some(known) = self.names.get(id) {
            return Ok(known);
        }
        let here = self.conversation(id).diver(id);
        let names = intake.names(&here).await?;
        let number = names
            .into_iter()
            .find(|name| (&name.channel, &name.account) == (&here.channel, &here.account) && is_number(&name.user));
        let name = number.map_or_else(|| id.to_owned(), |number| number.user);
        self.names.insert(id.to_owned(), name.clone());
        Ok(name)
    }
}
