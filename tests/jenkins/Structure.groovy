import org.codehaus.groovy.ast.ASTNode
import org.codehaus.groovy.ast.ClassCodeVisitorSupport
import org.codehaus.groovy.ast.ClassNode
import org.codehaus.groovy.ast.MethodNode
import org.codehaus.groovy.ast.expr.*
import org.codehaus.groovy.ast.stmt.BlockStatement
import org.codehaus.groovy.ast.stmt.CatchStatement
import org.codehaus.groovy.ast.stmt.ExpressionStatement
import org.codehaus.groovy.ast.stmt.Statement
import org.codehaus.groovy.classgen.GeneratorContext
import org.codehaus.groovy.control.CompilePhase
import org.codehaus.groovy.control.SourceUnit
import org.codehaus.groovy.control.customizers.CompilationCustomizer

/** Reads a Jenkinsfile without running it, branches that no scenario takes included. */
class Structure extends CompilationCustomizer {
    final List<String> findings = []
    private Set<String> functions = []

    Structure() { super(CompilePhase.CONVERSION) }

    @Override
    void call(SourceUnit source, GeneratorContext context, ClassNode type) {
        functions = source.AST.methods*.name as Set
        def statements = source.AST.statementBlock.statements
        def pipelines = statements.findAll { callOf(it)?.methodAsString == 'pipeline' }
        if (pipelines.size() != 1) {
            findings << "a Jenkinsfile has one pipeline, this one ${pipelines.size()}".toString()
        }
        source.AST.imports.each { note(it, "import of ${it.className}") }
        source.AST.starImports.each { note(it, "import of ${it.packageName}*") }
        source.AST.methods.each { new Script(source).visitMethod(it) }
        statements.findAll { !(it in pipelines) }.each { it.visit(new Script(source)) }
        pipelines.each { section('pipeline', callOf(it)) }
        pipelines.each { it.visit(new Script(source)) }
    }

    private void note(ASTNode where, String what) { findings << "line $where.lineNumber: $what".toString() }

    private static MethodCallExpression callOf(Statement statement) {
        def expression = statement instanceof ExpressionStatement ? statement.expression : null
        expression instanceof MethodCallExpression && expression.implicitThis ? expression : null
    }

    private static List<Expression> argumentsOf(MethodCallExpression call) {
        call.arguments instanceof TupleExpression ? call.arguments.expressions : [call.arguments]
    }

    private static List<Statement> blockOf(MethodCallExpression call) {
        def last = argumentsOf(call) ? argumentsOf(call).last() : null
        if (!(last instanceof ClosureExpression)) return null
        last.code instanceof BlockStatement ? last.code.statements : [last.code]
    }

    /** The words of a block that may only hold calls of `known` words. */
    private List<MethodCallExpression> words(String name, MethodCallExpression call, Collection<String> known) {
        def block = blockOf(call)
        if (block == null) {
            note(call, "$name needs a block")
            return []
        }
        block.collect { statement ->
            def inner = callOf(statement)
            if (inner == null) note(statement, "only known words may stand in $name, plain Groovy goes into a script block")
            else if (!(inner.methodAsString in known)) note(inner, "unknown word '$inner.methodAsString' in $name")
            else return inner
            return null
        }.findAll()
    }

    private void section(String name, MethodCallExpression call) {
        def rules = Vocabulary.SECTIONS[name]
        def words = words(name, call, rules.takes)
        def names = words*.methodAsString
        names.countBy { it }.findAll { it.value > 1 }.each { note(call, "'$it.key' stands twice in $name") }
        rules.needs.findAll { !(it in names) }.each { note(call, "$name needs '$it'") }
        if (rules.oneOf && rules.oneOf.count { it in names } != 1) note(call, "$name needs one of ${rules.oneOf.join(', ')}")
        words.each { directive(it) }
    }

    private void directive(MethodCallExpression word) {
        switch (word.methodAsString) {
            case 'agent':
                def first = argumentsOf(word) ? argumentsOf(word).first() : null
                if (first instanceof ClosureExpression) section('agent', word)
                else if (!(first instanceof VariableExpression && first.name in ['any', 'none'])) note(word, "agent is any, none or a block")
                break
            case 'stages':
                def stages = words('stages', word, ['stage'])
                if (!stages) note(word, 'stages needs a stage')
                stages.each { section('stage', it) }
                def names = stages.collect { argumentsOf(it).first() }.findAll { it instanceof ConstantExpression }*.value
                names.countBy { it }.findAll { it.value > 1 }.each { note(word, "two stages are called '$it.key'") }
                break
            case 'steps': steps('steps', word); break
            case 'post':
                def conditions = words('post', word, Vocabulary.POST)
                if (!conditions) note(word, 'post needs a condition')
                conditions.each { steps(it.methodAsString, it) }
                break
            case 'options': words('options', word, Vocabulary.OPTIONS.keySet()); break
            case 'parameters': words('parameters', word, Vocabulary.PARAMETERS.keySet()); break
            case 'environment': environment(word); break
        }
    }

    private void environment(MethodCallExpression word) {
        blockOf(word)?.each { statement ->
            def expression = statement instanceof ExpressionStatement ? statement.expression : null
            if (!(expression instanceof BinaryExpression) || expression.operation.text != '=') note(statement, 'environment holds NAME = value only')
            else if (!(expression.rightExpression instanceof ConstantExpression || expression.rightExpression instanceof GStringExpression ||
                       expression.rightExpression instanceof MethodCallExpression)) note(statement, 'a value of environment is a text or credentials(…)')
        }
    }

    private void steps(String name, MethodCallExpression call) {
        def block = words(name, call, Vocabulary.STEPS.keySet() + functions)
        if (!blockOf(call)) note(call, "$name is empty")
        block.findAll { it.methodAsString != 'script' && Vocabulary.STEPS[it.methodAsString]?.block }.each { steps(it.methodAsString, it) }
    }

    /** What holds for every expression, in a script block or outside. */
    private class Script extends ClassCodeVisitorSupport {
        final SourceUnit sourceUnit

        Script(SourceUnit sourceUnit) { this.sourceUnit = sourceUnit }

        @Override
        void visitMethodCallExpression(MethodCallExpression call) {
            def name = call.methodAsString
            if (name in Vocabulary.FORBIDDEN_METHODS) {
                note(call, "the sandbox refuses '$name'")
            } else if (call.implicitThis) {
                def spec = Vocabulary.STEPS[name]
                def known = spec || name in functions || name == 'pipeline' || name in Vocabulary.SECTIONS.keySet() || name in Vocabulary.POST ||
                    Vocabulary.SECTIONS.any { name in it.value.takes } || Vocabulary.OPTIONS[name] || Vocabulary.PARAMETERS[name] || Vocabulary.VALUES[name]
                if (!known) note(call, "unknown step '$name'")
                if (spec) namesOf(call).findAll { !spec.takes.containsKey(it) }.each { note(call, "step '$name' does not take '$it'") }
            }
            super.visitMethodCallExpression(call)
        }

        private List<String> namesOf(MethodCallExpression call) {
            argumentsOf(call).findAll { it instanceof MapExpression }.collectMany { it.mapEntryExpressions }
                .collect { it.keyExpression }.findAll { it instanceof ConstantExpression }*.value
        }

        @Override
        void visitVariableExpression(VariableExpression variable) { forbid(variable, variable.name) }

        @Override
        void visitConstructorCallExpression(ConstructorCallExpression call) {
            forbid(call, call.type.nameWithoutPackage)
            super.visitConstructorCallExpression(call)
        }

        @Override
        void visitPropertyExpression(PropertyExpression property) {
            forbid(property, property.propertyAsString)
            super.visitPropertyExpression(property)
        }

        private void forbid(ASTNode where, String name) {
            if (name in Vocabulary.FORBIDDEN) note(where, "the sandbox refuses '$name'")
        }

        /** Who is stopped by Abort is told by an exception. */
        @Override
        void visitCatchStatement(CatchStatement caught) {
            if (caught.variable.type.name in ['java.lang.Object', 'Object', 'Exception', 'RuntimeException', 'Throwable']) {
                note(caught, "'$caught.variable.type.nameWithoutPackage' is caught, which Abort throws as well")
            }
            super.visitCatchStatement(caught)
        }

        @Override
        void visitBinaryExpression(BinaryExpression expression) {
            if (expression.operation.text == '=~') note(expression, "'=~' makes a Matcher, which cannot be kept over a step")
            super.visitBinaryExpression(expression)
        }
    }
}
