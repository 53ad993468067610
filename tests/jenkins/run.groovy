// Reads {"root": folder, "builds": [{"file": Jenkinsfile, …scenario}]} from the file named on the command line and prints what each
// build did as a JSON list: result, error, findings, steps. See Replay for a scenario's keys.
import groovy.json.JsonOutput
import groovy.json.JsonSlurperClassic
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.MultipleCompilationErrorsException

abstract class Words extends Script {
    private Replay replay

    /** A setter's name would write a variable of the script. */
    void attach(Replay replay) { this.@replay = replay }

    @Override
    Object invokeMethod(String name, Object given) {
        return metaClass.respondsTo(this, name, given as Object[]) ? super.invokeMethod(name, given) : this.@replay.word(name, given as List)
    }

    @Override
    void setProperty(String name, Object value) {
        if (!this.@replay.assign(name, value)) super.setProperty(name, value)
    }
}

def build(Map scenario, File root) {
    def replay = new Replay(scenario, root)
    def structure = new Structure()
    def settings = new CompilerConfiguration(scriptBaseClass: Words.name)
    settings.addCompilationCustomizers(structure)
    def binding = new Binding([env: replay.env, params: replay.params, currentBuild: replay.currentBuild, any: 'any', none: 'none'])
    def findings = structure.findings
    try {
        def script = new GroovyShell(this.class.classLoader, binding, settings).parse(new File(root, scenario.file).getText("UTF-8"), "button.groovy")
        script.attach(replay)
        // What does not even have the right shape is not run.
        if (!findings) script.run()
    } catch (MultipleCompilationErrorsException error) {
        findings << "syntax: ${error.errorCollector.errors.first().cause.message}".toString()
    } catch (MissingPropertyException error) {
        findings << "unknown name '$error.property'".toString()
    } catch (Exception error) {
        findings << "failed: ${error}".toString()
    }
    return [file: scenario.file, result: replay.currentBuild.result, error: replay.currentBuild.error, description: replay.currentBuild.description,
            findings: findings + replay.findings, steps: replay.steps, declared: replay.declared, options: replay.options]
}

def request = new JsonSlurperClassic().parse(new File(args[0]), 'UTF-8')
println JsonOutput.toJson(request.builds.collect { build(it, new File(request.root)) })
