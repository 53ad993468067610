import org.jenkinsci.plugins.credentialsbinding.impl.CredentialNotFoundException

/** A build as it goes: what was called, in which order, with what, and what is wrong with it. */
class Replay {
    /** Somebody declined, or nobody answered in time. */
    static class Aborted extends RuntimeException {}

    /** What a playbook copies where its program is written here: `make build ROLE=…` makes it, or it is unstashed. */
    private List<String> programs() {
        new File(root, 'src/bin').list().findAll { it.endsWith('.rs') }.collect { it - '.rs' }.collect { "roles/$it/files/$it".toString() }
    }

    final Map scenario
    final File root
    final List<Map> steps = []
    final List<String> findings = []
    final Map env
    /** The job's parameters as they are declared, and its options. */
    final List<Map> declared = []
    final List<Map> options = []
    final Map params = [:].withDefault { refuse("params.$it is not declared"); null }
    final Map currentBuild = [result: null, description: null]

    private final List<String> place = ['file']
    private final List<Closure> running = []
    private final List<String> inside = []
    private final Map<String, Integer> calls = [:].withDefault { 0 }
    private final Map<String, Map> stashes = [:]
    private final List<String> typed = []
    /** The job's own choices: where one of them was typed, it stands elsewhere for another reason. */
    private final List<String> choices = []
    private final List<String> secrets = []
    private Map collected = [:]
    private Map files = null
    private String stage = ''

    Replay(Map scenario, File root) {
        this.scenario = scenario
        this.root = root
        this.env = [BUILD_NUMBER: '7', BUILD_URL: 'https://jenkins.example.com/job/7/', GIT_URL: 'https://git.example.com/firebreak.git']
    }

    void refuse(String what) { if (!(what in findings)) findings << what }

    /** A word of the Jenkinsfile: what it means depends on where it stands. */
    Object word(String name, List given) {
        switch (place.last()) {
            case 'file':
                if (name == 'pipeline') return pipeline(given.last())
                break
            case 'section':
                collected[name] = given
                return null
            case 'stages': return runStage(*given)
            case 'options':
                if (Vocabulary.VALUES[name]) return value(name, given)
                options << [stage: stage, option: name, takes: plain(check('option', name, Vocabulary.OPTIONS[name], given))]
                return null
            case 'parameters': return declare(check('parameter', name, Vocabulary.PARAMETERS[name], given) + [kind: name])
            case 'environment': return value(name, given)
            case 'steps':
                if (Vocabulary.BINDINGS[name] && given.first() instanceof Map && given.first().containsKey('credentialsId')) {
                    return check('binding', name, Vocabulary.BINDINGS[name], given) + [kind: name]
                }
                if (Vocabulary.PARAMETERS[name] && !Vocabulary.STEPS[name]) {
                    return check('parameter', name, Vocabulary.PARAMETERS[name], given) + [kind: name]
                }
                return step(name, given)
        }
        refuse("'$name' does not belong into ${place.last()}".toString())
        return null
    }

    /** `NAME = value`, which only an environment block says. */
    boolean assign(String name, Object value) {
        if (place.last() != 'environment') return false
        env[name] = value.toString()
        return true
    }

    private Object within(String where, Closure block) {
        place << where
        running << block
        try { return block.call() } finally {
            running.pop()
            place.pop()
        }
    }

    private Map collect(Closure block) {
        def outer = collected
        collected = [:]
        try {
            within('section', block)
            return collected
        } finally { collected = outer }
    }

    private void pipeline(Closure block) {
        def sections = collect(block)
        if (sections.parameters) within('parameters', sections.parameters.last())
        if (sections.options) within('options', sections.options.last())
        scenario.params?.each { name, value -> params.containsKey(name) ? params.put(name, value) : refuse("the job has no parameter '$name'".toString()) }
        def error = null
        try { body(sections) { within('stages', sections.stages.last()) } } catch (Aborted | Failed caught) { error = caught }
        currentBuild.result = result(error)
        currentBuild.error = error?.message
    }

    private static String result(Throwable error) { error == null ? 'SUCCESS' : error instanceof Aborted ? 'ABORTED' : 'FAILURE' }

    private void runStage(String name, Closure block) {
        stage = name
        def sections = collect(block)
        body(sections) {
            if (sections.options) within('options', sections.options.last())
            if (sections.steps) within('steps', sections.steps.last())
            else within('stages', sections.stages.last())
        }
    }

    /** A pipeline's or a stage's agent, environment and post around its work. */
    private void body(Map sections, Closure work) {
        def outer = files
        def before = new HashMap(env)
        if (sections.agent && !sections.agent.is(outer)) files = sections.agent.first() == 'none' ? null : [:]
        def error = null
        try {
            if (sections.environment) within('environment', sections.environment.last())
            try { work() } catch (Aborted | Failed caught) { error = caught }
            if (sections.post) post(collect(sections.post.last()), result(error))
            if (error) throw error
        } finally {
            files = outer
            env.clear()
            env.putAll(before)
        }
    }

    private void post(Map conditions, String result) {
        def applies = [always: true, aborted: result == 'ABORTED', failure: result == 'FAILURE', success: result == 'SUCCESS',
                       unsuccessful: result != 'SUCCESS', cleanup: true]
        (Vocabulary.POST - 'cleanup' + 'cleanup').each { if (conditions[it] && applies[it]) within('steps', conditions[it].last()) }
    }

    private void declare(Map parameter) {
        declared << plain(parameter)
        if (parameter.name == null || (parameter.kind == 'choice' && !(parameter.choices instanceof List))) return
        params[parameter.name] = parameter.kind == 'choice' ? parameter.choices?.first() : parameter.defaultValue
        def value = scenario.params?.get(parameter.name)
        if (parameter.kind == 'choice') choices.addAll(parameter.choices)
        if (parameter.kind in ['string', 'text'] && value) typed << value
        if (parameter.kind == 'choice' && value != null && !(value in parameter.choices)) refuse("'$value' is no choice of '$parameter.name'".toString())
    }

    private Object value(String name, List given) {
        def spec = Vocabulary.VALUES[name]
        if (!spec) {
            refuse("'$name' does not belong into ${place.last()}".toString())
            return ''
        }
        def taken = check('value', name, spec, given)
        return name == 'credentials' ? secret(taken.id.toString()) : taken
    }

    /** The text of a credential, which must be there: the scenario's `credentials` says which are, and of which kind. */
    private String secret(String id) {
        def kind = scenario.credentials?.get(id)
        if (kind == null) throw new CredentialNotFoundException("Could not find credentials entry with ID '$id'")
        if (kind != 'Secret text') {
            throw new CredentialNotFoundException("Credentials '$id' is of type '$kind' where 'org.jenkinsci.plugins.plaincredentials.StringCredentials' was expected")
        }
        secrets << "secret-of-$id".toString()
        return secrets.last()
    }

    /** The arguments by name, once they fit. */
    private Map check(String kind, String name, Map spec, List given) {
        def left = given.findAll { !(it instanceof Closure) }
        def named = left && left.first() instanceof Map && !(spec.first && Map in spec.takes[spec.first] && left.size() == 1) ? new LinkedHashMap(left.remove(0)) : [:]
        if (left && spec.first) named[spec.first] = left.remove(0)
        if (left) refuse("$kind '$name' takes no unnamed value '${left.first()}'".toString())
        Vocabulary.misfits(kind, name, spec, named).each { refuse(it) }
        if (spec.block && !(given && given.last() instanceof Closure)) refuse("$kind '$name' needs a block".toString())
        if (!spec.block && given.any { it instanceof Closure }) refuse("$kind '$name' takes no block".toString())
        return named
    }

    private Object step(String name, List given) {
        def spec = Vocabulary.STEPS[name]
        if (!spec) {
            refuse("unknown step '$name'".toString())
            return null
        }
        def taken = check('step', name, spec, given)
        if (spec.agent && files == null) refuse("step '$name' needs an agent".toString())
        checkKept(name)
        checkTexts(name, taken)
        if (name != 'script') steps << [stage: stage, inside: inside.collect(), step: name, takes: taken.collectEntries { key, value -> [key, plain(value)] }]
        if (spec.block) {
            if (name != 'script') inside << name
            try { return this."do_$name"(taken, given.last()) } finally { if (name != 'script') inside.pop() }
        }
        return metaClass.respondsTo(this, "do_$name".toString(), Map) ? this."do_$name"(taken) : null
    }

    /** Jenkins writes the program's state to disk at every step: what is kept must be serialisable. */
    private void checkKept(String name) {
        running.each { closure ->
            closure.class.declaredFields.findAll { it.type == groovy.lang.Reference }.each { field ->
                field.accessible = true
                def value = field.get(closure)?.get()
                if (value != null && !(value instanceof Closure) && !serialisable(value)) {
                    refuse("'$field.name' is a ${value.getClass().simpleName}, which cannot be kept over the step '$name'".toString())
                }
            }
        }
    }

    private static boolean serialisable(Object value) {
        try {
            new ObjectOutputStream(new ByteArrayOutputStream()).writeObject(value)
            return true
        } catch (NotSerializableException ignored) { return false }
    }

    /** No secret and nothing typed stands where a shell or Ansible would read it as more than data. */
    private void checkTexts(String name, Map taken) {
        taken.each { key, value ->
            def text = plain(value).toString()
            secrets.findAll { text.contains(it) }.each { refuse("step '$name' shows a secret in '$key'".toString()) }
            // The name of one host is no more than data.
            def host = key == 'limit' && text ==~ /[A-Za-z0-9_][A-Za-z0-9._-]*/
            def read = name == 'sh' || (name == 'ansiblePlaybook' && key != 'playbook' && !host)
            if (read) typed.findAll { it && !(it in choices) && text.contains(it) }.each { refuse("step '$name' puts what was typed into '$key'".toString()) }
        }
    }

    /** The same value without Groovy's own types, for the record. */
    private static Object plain(Object value) {
        if (value instanceof Map) return value.collectEntries { key, inner -> [key.toString(), plain(inner)] }
        if (value instanceof Collection) return value.collect { plain(it) }
        return value instanceof Number || value instanceof Boolean || value == null ? value : value.toString()
    }

    private Object answer(String name) {
        def answers = scenario[name] ?: []
        def number = calls[name]++
        if (number >= answers.size()) refuse("the scenario has no answer for call ${number + 1} of '$name'".toString())
        return answers[number] ?: [:]
    }

    private Object found(String name, String file) {
        if (!files?.containsKey(file)) {
            refuse("step '$name' needs the file '$file', which this stage has not made".toString())
            return null
        }
        return files[file]
    }

    // What each step does, as far as it matters here.

    def do_script(Map taken, Closure block) { within('steps', block) }
    def do_timeout(Map taken, Closure block) { within('steps', block) }
    def do_lock(Map taken, Closure block) { within('steps', block) }

    def do_withEnv(Map taken, Closure block) {
        def before = new HashMap(env)
        taken.overrides.each { pair ->
            def (name, value) = pair.toString().split('=', 2) as List
            env[name] = value
        }
        try { return within('steps', block) } finally {
            env.clear()
            env.putAll(before)
        }
    }

    def do_withCredentials(Map taken, Closure block) {
        def given = taken.bindings.collect { [it.variable, secret(it.credentialsId.toString())] }
        return do_withEnv([overrides: given.collect { name, value -> "$name=$value" }], block)
    }

    def do_error(Map taken) { throw new Failed(taken.message.toString()) }

    def do_sh(Map taken) {
        def built = taken.script.toString() =~ /make build ROLE=(\w+)/
        if (built) programs().findAll { it.startsWith("roles/${built[0][1]}/") }.each { files?.put(it, 'built') }
    }
    def do_writeJSON(Map taken) { files?.put(taken.file.toString(), plain(taken.json)) }
    def do_readJSON(Map taken) {
        if (taken.returnPojo != true) refuse("step 'readJSON' without returnPojo gives what cannot be kept over a step")
        def value = found('readJSON', taken.file.toString())
        return value == null ? [:] : value
    }
    def do_fileExists(Map taken) { files?.containsKey(taken.file.toString()) ?: false }
    def do_findFiles(Map taken) {
        def matcher = java.nio.file.FileSystems.default.getPathMatcher("glob:$taken.glob")
        def paths = []
        root.traverse(type: groovy.io.FileType.FILES, maxDepth: 3, preDir: { it.name in ['.git', 'target', '.venv'] ? groovy.io.FileVisitResult.SKIP_SUBTREE : null }) {
            def path = root.toPath().relativize(it.toPath())
            if (matcher.matches(path)) paths << [path: path.toString(), name: it.name]
        }
        return paths.sort { it.path }
    }
    def do_stash(Map taken) {
        def names = taken.includes.toString().split(',')*.trim()
        names.each { found('stash', it) }
        stashes[taken.name.toString()] = names.collectEntries { [it, files?.get(it)] }
    }
    def do_unstash(Map taken) {
        def stash = stashes[taken.name.toString()]
        if (stash == null) refuse("step 'unstash' asks for '$taken.name', which nobody has stashed".toString())
        files?.putAll(stash ?: [:])
    }

    def do_ansiblePlaybook(Map taken) {
        def role = new File(taken.playbook.toString()).name - '.yml'
        programs().findAll { it == "roles/$role/files/$role".toString() }.each { found('ansiblePlaybook', it) }
        [taken.playbook, taken.inventory].findAll().each { if (!new File(root, it.toString()).exists()) refuse("there is no file '$it'".toString()) }
        def variables = (taken.extras?.toString() ?: '').findAll(/-e\s+(\S+)/) { whole, value -> value }
        variables.each { it.startsWith('@') ? found('ansiblePlaybook', it.substring(1)) : refuse("extras: '$it' can set another variable, give a file".toString()) }
        steps.last().variables = variables.findAll { it.startsWith('@') }.collect { files?.get(it.substring(1)) }
        steps.last().env = env.findAll { !(it.key in ['BUILD_NUMBER', 'BUILD_URL', 'GIT_URL']) }
        def answer = answer('ansiblePlaybook')
        answer.writes?.each { name, content -> files?.put(name, content) }
        if (answer.fails) throw new Failed("Ansible playbook execution failed: $answer.fails")
    }

    def do_input(Map taken) {
        if (files != null) refuse("step 'input' holds an agent while it waits")
        if (!('timeout' in inside)) refuse("step 'input' waits for ever: put it into a timeout")
        def answer = answer('input')
        if (answer.abort) throw new Aborted()
        def values = [:]
        taken.parameters?.each { parameter ->
            def value = answer.values?.get(parameter.name)
            if (parameter.kind == 'choice' && !(value in parameter.choices)) refuse("'$value' is no choice of '$parameter.name': $parameter.choices".toString())
            if (parameter.kind in ['string', 'text'] && value) typed << value
            values[parameter.name] = value
        }
        if (taken.submitterParameter) values[taken.submitterParameter.toString()] = answer.by
        // Jenkins gives the bare value where there is but one.
        return values.size() == 0 ? null : values.size() == 1 ? values.values().first() : values
    }

    def do_jobDsl(Map taken) {
        def file = new File(root, taken.targets.toString())
        if (!file.file) return refuse("there is no file '$file.name'".toString())
        steps.last().jobs = new Jobs().read(file, taken.additionalParameters ?: [:])
    }
}
