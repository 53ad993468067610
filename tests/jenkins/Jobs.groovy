import org.codehaus.groovy.control.CompilerConfiguration

/** Runs a Job DSL script and notes every word of it, as nested maps. */
class Jobs {
    private List<Map> words = []

    List<Map> read(File file, Map variables) {
        def settings = new CompilerConfiguration(scriptBaseClass: JobWords.name)
        JobWords script = new GroovyShell(Jobs.classLoader, new Binding(variables), settings).parse(file)
        script.attach(this)
        script.run()
        return words
    }

    Object word(String name, List given) {
        def word = [word: name, takes: given.findAll { !(it instanceof Closure) }.collect { it.toString() }]
        words << word
        def block = given.find { it instanceof Closure }
        if (block) {
            def outer = words
            words = word.block = []
            block.call()
            words = outer
        }
        return null
    }
}

/** Not nested in Jobs: there a word that is unknown would be looked for among the outer class's methods. */
abstract class JobWords extends Script {
    private Jobs jobs

    void attach(Jobs jobs) { this.@jobs = jobs }

    @Override
    Object invokeMethod(String name, Object given) { this.@jobs.word(name, given as List) }
}
