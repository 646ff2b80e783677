// Renders templates with Apache Velocity 1.7 over json-smart's objects. Reads {"mode": "velocity" or "gateway", "template": …,
// "variables": {…}, "body": …} a line, writes {"output": …} or {"error": the exception's class} a line. In mode "gateway" a
// reference without a value is an empty string, and macros and #evaluate are switched off.

import static java.nio.charset.StandardCharsets.UTF_8;

import com.jayway.jsonpath.JsonPath;
import com.jayway.jsonpath.PathNotFoundException;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.StringWriter;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.util.Base64;
import java.util.Map;
import net.minidev.json.*;
import org.apache.commons.lang.StringEscapeUtils;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.event.EventCartridge;
import org.apache.velocity.app.event.InvalidReferenceEventHandler;
import org.apache.velocity.context.Context;
import org.apache.velocity.runtime.RuntimeInstance;
import org.apache.velocity.util.introspection.Info;

public class Oracle {
    public static class Input {
        private final String body;
        Input(String body) { this.body = body; }
        public String getBody() { return body; }
        public Object path(String path) {
            try { return JsonPath.read(body, path); } catch (PathNotFoundException e) { return null; }
        }
        public String json(String path) { return JSONValue.toJSONString(path(path), JSONStyle.LT_COMPRESS); }
    }
    public static class Util {
        public String escapeJavaScript(String s) { return StringEscapeUtils.escapeJavaScript(s); }
        public Object parseJson(String s) { return JsonPath.read(s, "$"); }
        public String urlEncode(String s) { return URLEncoder.encode(s, UTF_8); }
        public String urlDecode(String s) { return URLDecoder.decode(s, UTF_8); }
        public String base64Encode(String s) { return Base64.getEncoder().encodeToString(s.getBytes(UTF_8)); }
        public String base64Decode(String s) { return new String(Base64.getDecoder().decode(s), UTF_8); }
    }
    static class Empty implements InvalidReferenceEventHandler {
        public Object invalidGetMethod(Context c, String ref, Object o, String property, Info i) { return ""; }
        public boolean invalidSetMethod(Context c, String left, String right, Info i) { return false; }
        public Object invalidMethod(Context c, String ref, Object o, String method, Info i) { return ""; }
    }
    static RuntimeInstance engine(boolean gateway) throws Exception {
        RuntimeInstance engine = new RuntimeInstance();
        engine.setProperty("runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute");
        engine.setProperty("velocimacro.permissions.allow.inline", gateway ? "false" : "true");
        engine.setProperty("velocimacro.permissions.allow.inline.local.scope", "true");
        engine.init();
        if (gateway) for (String name : new String[] {"evaluate", "parse", "include"}) engine.removeDirective(name);
        return engine;
    }
    public static void main(String[] args) throws Exception {
        RuntimeInstance[] engines = {engine(false), engine(true)};
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        PrintStream out = new PrintStream(System.out, true, UTF_8);
        for (String line; (line = in.readLine()) != null; ) {
            Map<String, Object> given = JsonPath.read(line, "$");
            boolean gateway = "gateway".equals(given.get("mode"));
            VelocityContext context = new VelocityContext((Map<?, ?>) given.get("variables"));
            context.put("input", new Input((String) given.get("body")));
            context.put("util", new Util());
            EventCartridge events = new EventCartridge();
            if (gateway && events.addEventHandler(new Empty())) events.attachToContext(context);
            JSONObject answer = new JSONObject();
            try {
                StringWriter text = new StringWriter();
                engines[gateway ? 1 : 0].evaluate(context, text, "t" + System.nanoTime(), (String) given.get("template"));
                answer.put("output", text.toString());
            } catch (Exception | Error e) { answer.put("error", e.getClass().getSimpleName()); }
            out.println(answer.toJSONString());
        }
    }
}
