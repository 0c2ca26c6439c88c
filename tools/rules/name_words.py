"""Words in names that say little about who is meant: titles, particles, legal forms, common words, nicknames.

Lower case, transliterated to ASCII, without dots. The tables are general knowledge of naming customs, kept short:
a word belongs here only if it stands in the names of thousands.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TITLES = _words(
    "mr mrs ms miss dr prof professor sir madam mister hon honorable honourable rev reverend president minister "
    "senator governor general gen colonel col captain capt lieutenant lt sergeant sgt admiral brigadier commander "
    "sheikh shaikh shaykh cheikh sheik mullah mulla maulana mawlawi maulvi molvi mufti ayatollah hajji haji hajj "
    "akhund herr frau senor senora monsieur madame dott prasident presidente praesident jr sr junior senior esq phd "
    "md datuk dato"
)
TITLES_OR_NAMES = _words(
    "amir emir sultan king queen prince princess lord lady dame don dona major maj sayyid sayyed sayed seyed syed "
    "hafiz imam qari ustad khatib agha"
)
VESSEL_PREFIXES = _words("mv mt ms ss mts mvs fv motor vessel tanker ship the m v t")

PARTICLES = _words(
    "al el ul ad as ar az ash ed es er an ibn bin ben bn bint binti binte ould wald abd abdul abdal abdel abdol "
    "abdoul ud de da di do dos das du del della delle den der ter ten van von vom zu zur zum la le les los las and "
    "of the for und et af av bar bat wa na ap st saint sankt santa in on at to"
)
FATHER_MARKERS = _words("ibn bin ben bn bint binti binte ould")
"""What follows names the father: who is whose child must not be exchanged."""
PATRONYMIC_ENDINGS = tuple(sorted(_words("ovich evich ovitch evitch ovic ovna evna ichna oglu ogly qizi kyzy")))
COMMON_NAMES = _words(
    "muhammad mohammad mohammed mohamed muhammed mohamad muhamad ahmad ahmed ali hassan hasan hussein husayn "
    "hussain hossein abdullah abdallah abdulla ibrahim omar umar khalid khan mahmud mahmoud rahman karim abu umm "
    "jose maria juan carlos luis john james david michael robert william george aleksandr alexander sergei sergey "
    "vladimir ivan kim lee li wang zhang chen liu yang singh kumar"
)
GENERIC_WORDS = _words(
    "bank banking banco banque trading trade general international global world group gruppe groupe grupo holding "
    "holdings company companies co corporation enterprise enterprises industry industries industrial services "
    "service solutions systems technology technologies tech engineering construction consulting management "
    "investment investments capital fund funds finance financial trust partners partnership associates properties "
    "property real estate development import export impex commercial comercial commerce shipping maritime marine "
    "transport logistics lines line airlines air aviation energy oil gas petroleum petrochemical chemical steel "
    "metal metals mining electronics motor motors foundation organization organisation association institute "
    "society university center centre federation union committee council ministry state national federal republic "
    "bureau office branch offshore plant factory works zavod kompaniya predpriyatie tovarishchestvo america "
    "americas europe asia africa east west north south middle iran russia china usa uk germany deutschland schweiz "
    "switzerland sweden mexico chile spain france italia italy turkey dubai emirates singapore hong kong india "
    "japan korea"
)

LEGAL_FORMS: dict[str, str] = {
    form: family
    for family, forms in {
        "limited": "ltd,limited,ltda,ltd sti,limited sirketi,limited liability company,llc,gmbh,gesellschaft mit "
        "beschrankter haftung,sarl,srl,societatea cu raspundere limitata,sociedad de responsabilidad limitada,"
        "societa a responsabilita limitata,societe a responsabilite limitee,bv,bvba,sprl,oo,ooo,tov,too,"
        "obshchestvo s ogranichennoy otvetstvennostyu,sp z oo,spolka z ograniczona odpowiedzialnoscia,doo,eood,ood,"
        "kft,oy,ab,aps,as,sia,uab,pte ltd,private limited,pvt ltd,pvt,pte,pty ltd,pty,co ltd,sdn bhd,pt,wll,fze,fzco,"
        "fzc,fz llc,dmcc,s de rl de cv,s de rl,ooh,mchj",
        "stock": "ag,aktiengesellschaft,sa,sociedad anonima,societe anonyme,sa de cv,sapi de cv,spa,societa per azioni,"
        "nv,naamloze vennootschap,plc,public limited company,jsc,ojsc,pjsc,cjsc,oao,zao,pao,ao,joint stock company,"
        "open joint stock company,public joint stock company,closed joint stock company,aktsionernoe obshchestvo,"
        "otkrytoe aktsionernoe obshchestvo,publichnoe aktsionernoe obshchestvo,zakrytoe aktsionernoe obshchestvo,"
        "anonim sirketi,inc,incorporated,corp,corporation,asa,oyj,tbk,bhd,berhad,se,kabushiki kaisha,kk,pjs,psc,saog",
        "partnership": "lp,llp,kg,gmbh and co kg,kommanditgesellschaft,ohg,limited partnership,snc,scs,sca,gbr",
        "any": "company,co,compania,cia,compagnie,cie,and co,ev,kgaa,unternehmen,firma,firm,tic,sanayi,ve ticaret",
    }.items()
    for form in forms.split(",")
}
"""Legal form to its family; `any` agrees with every family."""

NUMBER_WORDS = {
    word: str(value)
    for value, words in enumerate(
        (
            "zero",
            "one first 1st",
            "two second 2nd",
            "three third 3rd",
            "four fourth 4th",
            "five fifth 5th",
            "six sixth 6th",
            "seven seventh 7th",
            "eight eighth 8th",
            "nine ninth 9th",
            "ten tenth 10th",
        )
    )
    for word in words.split()
}
_ROMANS = "i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx"
ROMAN_NUMERALS = {roman: str(value) for value, roman in enumerate(_ROMANS.split(), 1)}

OTHER_FORMS = (
    "abraham abe ibrahim avraham",
    "alexander aleksandr alex sasha alexandre alejandro oleksandr sandy iskandar",
    "alexei aleksey alexey lyosha alyosha",
    "anatoly tolya",
    "andrew andy drew andrei andrey andreas andre andres andrzej andriy",
    "anthony tony antonio anton antoine",
    "barbara babs barb",
    "benjamin ben benny binyamin",
    "boris borya",
    "catherine katherine kathryn cathy kathy kate katie ekaterina katya katarina yekaterina",
    "charles charlie chuck carlos karl carl carlo",
    "christopher chris kit christoph cristobal",
    "daniel dan danny daniil",
    "david dave davey daoud dawud davit",
    "deborah deb debbie",
    "dmitry dmitri dima dmytro dimitri",
    "donald don donnie",
    "edward ed eddie ted ned eduard edouard eduardo",
    "elizabeth liz lizzie beth betty eliza elisabeth lisa bess yelizaveta",
    "eugene gene yevgeny evgeny evgeni yevgeniy evgeniy yevhen",
    "francis frank francisco paco frans franz francois francesco",
    "frederick fred freddy friedrich frederik",
    "gabriel gabe jibril",
    "george jorge georg georges giorgio georgy yuri jiri jerzy",
    "gerald gerry jerry",
    "gregory greg grigory grigori",
    "henry harry hank heinrich henri enrique hendrik",
    "isaac ike ishaq yitzhak",
    "ivan john johann johannes jan jean juan giovanni jack johnny ioannis hans yahya vanya ian sean jon",
    "jacob jake yakov yaqub jakob jacques yaakov",
    "james jim jimmy jamie jaime diego iago",
    "joseph joe joey josef yusuf yousef yosef jose pepe giuseppe iosif youssef",
    "jonathan jon johnny yonatan nathan",
    "lawrence larry laurence lorenzo laurent",
    "leonard leo len lenny leonid leonardo",
    "louis luis lewis lou ludwig luigi",
    "margaret maggie meg peggy greta margarita",
    "mary maria marie mariam maryam miriam masha",
    "matthew matt matthias mateo mathieu matvei matvey",
    "michael mike mick mikhail misha michel miguel mikael michal mykhailo mikail",
    "moses moshe musa moussa moishe",
    "nicholas nick nicolas nikolai nikolay kolya nicola niklas klaus mykola",
    "patrick pat paddy patricio",
    "paul pavel pablo paolo pasha pavlo bulus",
    "peter pete pyotr petr pedro pierre pietro piotr petro petya",
    "philip phil philippe felipe filip",
    "raymond ray ramon",
    "richard rick dick rich ricky ricardo riccardo",
    "robert bob bobby rob robbie roberto bert",
    "ronald ron ronnie",
    "samuel sam sammy samuil",
    "sergei sergey serge sergio seryozha serhiy",
    "simon semyon shimon simeon",
    "solomon suleiman sulayman shlomo",
    "stephen steven steve stefan stepan esteban etienne istvan",
    "susan sue susie suzanne",
    "theodore ted teddy theo fyodor fedor feodor",
    "thomas tom tommy tomas foma",
    "timothy tim timmy timofey",
    "victor viktor vic vitya",
    "vladimir volodymyr vova volodya wladimir",
    "vasily vasiliy vasyl basil",
    "william bill billy will willy liam wilhelm guillaume guillermo",
    "yevgenia evgenia eugenia",
    "zachary zach zakaria zakariya",
)
"""Forms of one given name: nicknames and what other languages make of it. A form may stand in several lines."""
