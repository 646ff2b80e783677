// Renders templates with Apache Velocity 1.7 over json-smart's objects, as API Gateway does underneath.
// Standard input: one JSON object a line, {"mode": "velocity" or "gateway", "template": …, "variables": {…}, "body": …}.
// Standard output: one JSON object a line, {"output": …} or {"error": the exception's class and message}.
// In mode "gateway" a reference without a value is an empty string, and macros and #evaluate are switched off.

import com.jayway.jsonpath.JsonPath;
import com.jayway.jsonpath.PathNotFoundException;
import com.jayway.jsonpath.spi.json.JsonSmartJsonProvider;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.StringWriter;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import net.minidev.json.JSONObject;
import org.apache.commons.lang.StringEscapeUtils;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.event.EventCartridge;
import org.apache.velocity.app.event.InvalidReferenceEventHandler;
import org.apache.velocity.context.Context;
import org.apache.velocity.runtime.RuntimeInstance;
import org.apache.velocity.util.introspection.Info;

public class Oracle {
    public static class Input {
        public final String body;
        public Input(String body) { this.body = body; }
        public String getBody() { return body; }
        public Object path(String path) {
            try { return JsonPath.read(body, path); } catch (PathNotFoundException e) { return null; }
        }
        public String json(String path) {
            Object found = path(path);
            if (found == null || found instanceof Number || found instanceof Boolean) return String.valueOf(found);
            if (found instanceof String) return net.minidev.json.JSONValue.toJSONString(found, net.minidev.json.JSONStyle.LT_COMPRESS);
            return new JsonSmartJsonProvider().toJson(found);
        }
    }
    public static class Util {
        public String escapeJavaScript(String s) { return StringEscapeUtils.escapeJavaScript(s); }
        public Object parseJson(String s) { return JsonPath.read(s, "$"); }
        public String urlEncode(String s) { return URLEncoder.encode(s, StandardCharsets.UTF_8); }
        public String urlDecode(String s) { return URLDecoder.decode(s, StandardCharsets.UTF_8); }
        public String base64Encode(String s) { return Base64.getEncoder().encodeToString(s.getBytes(StandardCharsets.UTF_8)); }
        public String base64Decode(String s) { return new String(Base64.getDecoder().decode(s), StandardCharsets.UTF_8); }
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
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        int number = 0;
        for (String line = in.readLine(); line != null; line = in.readLine()) {
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
                engines[gateway ? 1 : 0].evaluate(context, text, "template" + number++, (String) given.get("template"));
                answer.put("output", text.toString());
            } catch (Exception | Error e) { answer.put("error", e.getClass().getSimpleName() + ": " + e.getMessage()); }
            out.println(answer.toJSONString());
        }
    }
}
