//! The small words by which a language is told.

use std::sync::OnceLock;

use dovvybuddy_core::Lang;
use hashbrown::HashSet;

use crate::by_language::ByLanguage;

/// The commonest small words of a language, folded as [`Text`] folds.
pub(crate) fn function_words(lang: Lang) -> &'static HashSet<&'static str> {
    static WORDS: ByLanguage<HashSet<&'static str>> = ByLanguage::new();
    WORDS.get(lang, || listed(lang).split_whitespace().collect())
}

/// English words of what is asked in few words beside the name of a place or a wreck.
pub(super) fn english_subjects() -> &'static HashSet<&'static str> {
    static WORDS: OnceLock<HashSet<&'static str>> = OnceLock::new();
    WORDS.get_or_init(|| EN_SUBJECTS.split_whitespace().collect())
}

const fn listed(lang: Lang) -> &'static str {
    match lang {
        Lang::En => EN,
        Lang::Es => ES,
        Lang::De => DE,
        Lang::Fr => FR,
        Lang::Pt => PT,
        Lang::It => IT,
        Lang::Id => ID,
        _ => "",
    }
}

const EN: &str = "
    the a an is are was were my your his her our their i im ive id you he hes she shes it its we they and or but
    to of in on at for with from after before since what whats when where which who how why can cant could
    should would will wont do does dont doesnt did have has had been be am not this that there any some need get
    got just still about best much many long if so up out now good than then diving dive dived diver feel me him
    them us as by one without help please thanks hi hello while during into off over under too very wait tell
    no more most other only whether each every between near
";

const EN_SUBJECTS: &str = "
    wreck wrecks depth season seasons history visibility level levels month months weather water temperature site
    sites spot spots steps descent ascent shark sharks whale whales turtles lions caves island islands hole price
    prices requirements permit permits beginners training limit limits rules number formula time feet years course
    sunk sank beach shore snorkelling
";

const ES: &str = "
    el la los las un una es son mi tu su yo que de del en y o con por para como cual cuando cuanto cuanta
    cuantos donde se me te le lo no si despues antes hay esta este estoy estan tengo tiene puedo puede quiero
    necesito hacer hace muy mas pero mejor desde hoy ayer ahora bucear buceo inmersion buzo companero al sin ha
    he fue cuesta hola gracias nos siento tras sobre ya mucho todavia soy mis sus debo tras
";

const DE: &str = "
    der die das den dem ein eine einen einem einer ist sind war ich du er sie es wir ihr mein meine meinem
    meinen meiner und oder aber zu zum zur im in am an auf fur mit von vom nach vor seit bei beim was wann wo
    wie wer welche welcher welches warum kann konnen darf soll muss hat habe haben wird werden nicht kein keine
    noch man mir mich sich tauchen tauchgang taucher taucherin heute gestern jetzt viel wieviel gut brauche
    braucht gibt ohne uber unter auch schon nur wenn als dass hallo danke bitte ihm unser sein seine vielen dank
    geht immer tauchkurs sehr kostet eure euch ihn
";

const FR: &str = "
    le la les un une des du de est sont je jai tu il elle nous vous ils mon ma mes son sa ses votre vos et ou
    mais a au aux en dans sur pour avec sans par apres avant depuis que qui quoi quel quelle quels quelles quand
    comment combien pourquoi peut peux puis faut dois doit pas ne ce cest cette ca se me te lui plongee plonger
    plongeur binome aujourdhui hier maintenant tres plus toujours ya suis fait faire avoir ete bonjour merci on
    quil quelle lors etre sest encore leau nest y
";

const PT: &str = "
    o a os as um uma e sao eu voce voces ele ela nos meu minha seu sua que de do da dos das em no na nos nas com
    sem por para pra como qual quais quando quanto quantos onde se me nao sim depois apos antes ha esta estou
    estao tenho tem posso pode quero preciso fazer faz muito mais mas melhor desde hoje ontem agora mergulhar
    mergulho mergulhador ao foi ola obrigado obrigada ainda ja sou dupla custa sinto isso pro epoca sentindo ta
    meus minhas num numa muita pelo pela dor seus suas nosso
";

const IT: &str = "
    il lo la i gli le un una uno e sono io tu lui lei noi voi loro mio mia miei suo sua che di del della dei
    delle dell in nel nella con senza per come quale quali qual quando quanto quanta quanti dove perche si mi ti
    ci non dopo prima da dal dalla ho ha hanno posso puo devo deve voglio fare fa molto piu ma meglio oggi ieri
    ora adesso immersione immersioni immergersi subacqueo sub al alla ai alle ancora gia ciao grazie migliore
    serve cosa cose dura costa sto sta stato sulla sul su miglior questo compagno
";

const ID: &str = "
    yang dan di ke dari untuk dengan tanpa ini itu saya aku kamu anda dia kami kita mereka apa apakah siapa
    kapan mana dimana bagaimana gimana kenapa mengapa berapa bisa boleh harus mau ingin ada tidak gak nggak ga
    bukan sudah udah belum setelah sebelum sejak sesudah habis hari kemarin sekarang tadi pagi menyelam selam
    penyelam penyelaman teman masih lagi juga atau tapi karena kalau jika lebih paling sangat banget terbaik
    bagus lama banyak pada dalam oleh seperti punya buat tolong terima kasih halo nya ku musim bulan biaya jam
    kursus suami istri naik jadi sama aja dong nih sih ya saja sedang
";
